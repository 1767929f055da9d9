"""The committed description of the metrics is what the models say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "dbt" / "models"


@pytest.fixture(scope="module")
def write_metrics() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_metrics", ROOT / "dbt" / "scripts" / "write_metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_document_is_what_the_models_generate(write_metrics: ModuleType) -> None:
    committed = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert committed == write_metrics.document(), "run: python dbt/scripts/write_metrics.py"


def test_every_view_and_every_column_of_it_is_described() -> None:
    described = {
        model["name"]: model
        for path in (MODELS / "views").glob("v_*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    }
    assert described.keys() == {path.stem for path in (MODELS / "views").glob("v_*.sql")}
    for model in described.values():
        assert model["columns"]
        assert all(column["description"] and column["data_type"] for column in model["columns"]), model["name"]


def test_a_description_without_its_grain_is_refused(write_metrics: ModuleType) -> None:
    with pytest.raises(ValueError, match="One row per"):
        write_metrics._split("Shows things.")

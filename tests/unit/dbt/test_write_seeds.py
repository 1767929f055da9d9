"""The committed seeds are what the contracts say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DBT = Path(__file__).parents[3] / "dbt"


@pytest.fixture(scope="module")
def write_seeds() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_seeds", DBT / "scripts" / "write_seeds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["currencies.csv", "decline_reasons.csv"])
def test_the_committed_seed_is_what_the_contracts_generate(write_seeds: ModuleType, name: str) -> None:
    committed = (DBT / "seeds" / name).read_text(encoding="utf-8")
    assert committed == write_seeds.seeds()[name], "run: PYTHONPATH=. python dbt/scripts/write_seeds.py"


def test_a_currency_with_an_odd_minor_unit_but_no_rate_is_listed(write_seeds: ModuleType) -> None:
    assert "KWD,3,\n" in write_seeds.seeds()["currencies.csv"]


def test_every_seed_is_committed_and_no_other(write_seeds: ModuleType) -> None:
    assert {path.name for path in (DBT / "seeds").glob("*.csv")} == write_seeds.seeds().keys()

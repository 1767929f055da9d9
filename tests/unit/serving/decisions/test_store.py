"""What is served stays served, whatever becomes of MLflow and its files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml.comparison import FILE
from serving.decisions.cache import Cache
from serving.decisions.store import ModelStore
from tests.unit.serving.decisions.conftest import Folders

pytestmark = pytest.mark.anyio
FRAUD = "fraud_detection_model"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def failed() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def store(folders: Folders, tmp_path: Path, failed: list[tuple[str, str]]) -> ModelStore:
    return opened(folders, tmp_path, failed)


def opened(folders: Folders | None, tmp_path: Path, failed: list[tuple[str, str]]) -> ModelStore:
    return ModelStore(folders, Cache(tmp_path / "cache"), lambda: NOW, 60, lambda *one: failed.append(one))


async def test_all_champions_are_served(store: ModelStore, folders: Folders) -> None:
    await store.refresh()
    assert {model: pair.champion.number for model, pair in store.models.items()} == dict.fromkeys(store.models, 1)
    assert len(store.models) == 5
    assert store.failures == {}


async def test_a_change_of_alias_is_one_swap_and_nothing_is_loaded_twice(store: ModelStore, folders: Folders) -> None:
    await store.refresh()
    before, fetched = store.models, folders.fetched
    await store.refresh()
    assert store.models is before
    folders.set(FRAUD, "challenger", 2, folders.forms / "another")
    await store.refresh()
    challenger = store.models[FRAUD].challenger
    assert challenger is not None
    folders.set(FRAUD, "champion", 2, folders.forms / "another")
    del folders.aliases[(FRAUD, "challenger")]
    await store.refresh()
    assert store.models[FRAUD].champion is challenger
    assert store.models[FRAUD].challenger is None
    assert before[FRAUD].champion.number == 1
    assert folders.fetched == fetched + 1


@pytest.mark.parametrize("damage", ["model.json", "trees.npz", FILE])
async def test_a_damaged_version_is_not_taken(
    store: ModelStore, folders: Folders, tmp_path: Path, failed: list[tuple[str, str]], damage: str
) -> None:
    await store.refresh()
    damaged = tmp_path / "damaged"
    await folders.fetch_to(damaged)
    content = (damaged / damage).read_bytes()
    (damaged / damage).write_bytes(content[: len(content) // 2])
    folders.set(FRAUD, "champion", 2, damaged)
    await store.refresh()
    assert store.models[FRAUD].champion.number == 1
    assert failed == [(FRAUD, "champion")]
    assert "version 2" in store.failures[(FRAUD, "champion")]
    fetched = folders.fetched
    await store.refresh()
    assert folders.fetched == fetched


async def test_a_version_that_answers_otherwise_than_in_training_is_not_taken(
    store: ModelStore, folders: Folders, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    await folders.fetch_to(other)
    (other / FILE).write_bytes((folders.forms / "another" / FILE).read_bytes())
    folders.set(FRAUD, "champion", 1, other)
    await store.refresh()
    assert FRAUD not in store.models
    assert "otherwise than in training" in store.why(FRAUD)


async def test_a_version_that_cannot_say_why_is_not_taken(store: ModelStore, folders: Folders, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    await folders.fetch_to(foreign)
    described = json.loads((foreign / "model.json").read_text())
    (foreign / "model.json").write_text(json.dumps({**described, "classes": ["ham", "spam"]}))
    folders.set(FRAUD, "champion", 4, foreign)
    await store.refresh()
    assert "cannot answer a request: KeyError('spam')" in store.failures[(FRAUD, "champion")]


async def test_an_answer_of_mlflow_that_nobody_thought_of_does_not_stop_a_start(
    store: ModelStore, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(model: str, alias: str) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(folders, "with_alias", odd)
    await store.start()
    await store.close()
    assert store.models == {}


async def test_a_form_of_another_model_is_not_taken(store: ModelStore, folders: Folders) -> None:
    folders.set(FRAUD, "champion", 3, folders.forms / "risk_scoring_model")
    await store.refresh()
    assert "holds risk_scoring_model" in store.failures[(FRAUD, "champion")]


async def test_files_that_are_gone_leave_the_last_good_version(store: ModelStore, folders: Folders) -> None:
    await store.refresh()
    folders.set(FRAUD, "champion", 2, folders.forms / "gone")
    await store.refresh()
    assert store.models[FRAUD].champion.number == 1
    assert store.failures[(FRAUD, "champion")] == "its files are gone"
    folders.set(FRAUD, "champion", 1, folders.forms / FRAUD)
    await store.refresh()
    assert store.failures == {}


async def test_an_alias_that_was_deleted_leaves_the_champion_and_ends_the_challenger(
    store: ModelStore, folders: Folders
) -> None:
    folders.set(FRAUD, "challenger", 2, folders.forms / "another")
    await store.refresh()
    folders.aliases.clear()
    await store.refresh()
    assert store.models[FRAUD].champion.number == 1
    assert store.models[FRAUD].challenger is None
    assert "no version bears the alias" in store.failures[(FRAUD, "champion")]


async def test_without_mlflow_a_new_start_serves_what_was_served(
    store: ModelStore, folders: Folders, tmp_path: Path
) -> None:
    folders.set(FRAUD, "challenger", 2, folders.forms / "another")
    await store.refresh()
    folders.is_away = True
    again = opened(folders, tmp_path, [])
    await again.start()
    await again.close()
    assert again.reachable is False
    assert len(again.models) == 5
    assert again.models[FRAUD].challenger is not None
    assert again.models[FRAUD].challenger.number == 2


async def test_a_cache_that_was_damaged_meanwhile_is_brought_again(
    store: ModelStore, folders: Folders, tmp_path: Path
) -> None:
    await store.refresh()
    for form in (tmp_path / "cache" / FRAUD).iterdir():
        (form / "trees.npz").write_bytes(b"rubbish")
    again = opened(folders, tmp_path, [])
    await again.start()
    await again.close()
    assert again.models[FRAUD].champion.number == 1
    assert again.failures == {}


async def test_without_a_registry_and_a_cache_nothing_is_served_and_it_says_why(tmp_path: Path) -> None:
    store = opened(None, tmp_path, [])
    await store.start()
    assert store.models == {}
    assert "MLFLOW_TRACKING_URI" in store.why(FRAUD)


async def test_old_versions_leave_the_cache(store: ModelStore, folders: Folders, tmp_path: Path) -> None:
    for number in range(1, 12):
        folders.set(FRAUD, "champion", number, folders.forms / FRAUD)
        await store.refresh()
    assert store.models[FRAUD].champion.number == 11
    assert len(list((tmp_path / "cache" / FRAUD).iterdir())) == 5

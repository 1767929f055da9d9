"""From a run to a champion and back: gates, equality, promotion beyond chance, rollback."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from ml import policy
from ml.datasets import sets
from ml.datasets.source import LakeSource
from ml.errors import MlError
from ml.evaluation.resampling import Interval
from ml.features.definitions import FRAUD as FRAUD_DEFINITION
from ml.job import Outcome, train_and_register
from ml.registry import promotion
from ml.registry.gates import failures
from ml.registry.store import CHALLENGER, CHAMPION, Registry
from tests.ml.conftest import APPROVAL, DELAY_DAYS, FRAUD, quiet


def read(source: LakeSource, model: str = FRAUD) -> sets.TrainingSet:
    return sets.read(model, source, DELAY_DAYS)


def test_a_run_keeps_all_its_evidence(trained_fraud: Outcome, registry: Registry) -> None:
    assert trained_fraud.version == "1"
    version = registry.with_alias(FRAUD, CHALLENGER)
    assert version is not None
    kept = {Path(one.path).name for one in mlflow.tracking.MlflowClient().list_artifacts(version.run_id, "evidence")}
    assert kept == {f"{FRAUD}.md", f"{FRAUD}.png", "evidence.json", "equality.json", "reference.json"}
    assert {"precision", "recall", "f1", "pr_auc", "ceiling.f1", "served_difference"} <= version.figures.keys()


def test_mlflow_itself_answers_as_the_served_form_does(
    trained_fraud: Outcome, registry: Registry, source: LakeSource
) -> None:
    version = registry.with_alias(FRAUD, CHALLENGER)
    assert version is not None
    rows, served = read(source).examples.newest(50), registry.load(version)
    frame = rows.rows.to_pandas()[[one.name for one in served.encoder.definition.fields]]
    counts = frame.select_dtypes("int64").columns
    frame[counts] = frame[counts].astype("float64")
    frame["event_timestamp"] = frame["event_timestamp"].dt.tz_convert(None)  # MLflow takes instants without a zone
    answered = mlflow.pyfunc.load_model(f"models:/{FRAUD}@{CHALLENGER}").predict(frame)
    assert answered.to_numpy() == pytest.approx(served.probabilities(rows.columns))


def test_the_first_champion_needs_its_gates_and_equality_only(
    trained_fraud: Outcome, registry: Registry, source: LakeSource
) -> None:
    challenger, verdict = promotion.judge(registry, FRAUD, lambda: read(source))
    assert verdict.is_better, verdict.reason
    registry.promote(challenger)
    champion = registry.with_alias(FRAUD, CHAMPION)
    assert champion is not None
    assert champion.aliases == (CHAMPION,)
    with pytest.raises(MlError, match="first champion"):
        registry.rollback(FRAUD)


def test_a_promotion_that_was_killed_midway_is_finished_by_the_next(
    trained_fraud: Outcome, registry: Registry, source: LakeSource
) -> None:
    champion = registry.with_alias(FRAUD, CHAMPION)
    assert champion is not None
    mlflow.tracking.MlflowClient().set_registered_model_alias(FRAUD, CHALLENGER, champion.number)
    challenger, verdict = promotion.judge(registry, FRAUD, lambda: read(source))
    assert verdict.is_better, verdict.reason
    registry.promote(challenger)
    assert registry.with_alias(FRAUD, CHALLENGER) is None
    with pytest.raises(MlError, match="first champion"):
        registry.rollback(FRAUD)


def test_an_equal_challenger_is_not_better_beyond_chance(
    trained_fraud: Outcome, registry: Registry, source: LakeSource, tmp_path: Path
) -> None:
    train_and_register(FRAUD, source, DELAY_DAYS, registry, tmp_path, quiet)
    _, verdict = promotion.judge(registry, FRAUD, lambda: read(source))
    assert not verdict.is_better
    assert verdict.gain == Interval(0.0, 0.0, 0.0)
    assert "not beyond chance" in verdict.reason


def test_a_worse_champion_is_beaten_and_comes_back_by_rollback(
    trained_fraud: Outcome, registry: Registry, source: LakeSource
) -> None:
    challenger = registry.with_alias(FRAUD, CHALLENGER)
    assert challenger is not None
    model = registry.load(challenger)
    blind = replace(model, threshold=0.999)
    gain = promotion.compare(model, blind, read(source), policy.models()[FRAUD])
    assert gain.low > 0
    assert promotion.compare(blind, model, read(source), policy.models()[FRAUD]).high < 0
    registry.promote(challenger)
    left, came = registry.rollback(FRAUD)
    assert (left.number, came.number) == ("2", "1")
    champion = registry.with_alias(FRAUD, CHAMPION)
    assert champion is not None
    assert champion.number == "1"


def test_a_served_form_that_differs_is_not_promoted(
    trained_fraud: Outcome, registry: Registry, source: LakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_and_register(FRAUD, source, DELAY_DAYS, registry, tmp_path, quiet)
    honest = Registry.load
    first, *others = FRAUD_DEFINITION.numbers
    blind = replace(FRAUD_DEFINITION, numbers=(replace(first, function=lambda *_: None), *others))

    def damaged(self: Registry, version: object) -> object:
        model = honest(self, version)  # type: ignore[arg-type]
        return replace(model, encoder=replace(model.encoder, definition=blind))

    monkeypatch.setattr(Registry, "load", damaged)
    _, verdict = promotion.judge(registry, FRAUD, lambda: read(source))
    assert not verdict.is_better
    assert "served form differs" in verdict.reason


def test_a_model_that_fails_a_gate_stays_unregistered_and_the_run_says_why(
    registry: Registry, source: LakeSource, lenient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = replace(policy.models()[APPROVAL], gates={"accuracy": 0.999})
    monkeypatch.setattr("ml.job.models", lambda: {**policy.models(), APPROVAL: strict})
    outcome = train_and_register(APPROVAL, source, DELAY_DAYS, registry, tmp_path, quiet)
    assert outcome.version is None
    assert registry.versions(APPROVAL) == []
    (run,) = mlflow.search_runs(experiment_names=[APPROVAL], output_format="list")
    assert "0.999 is needed" in run.data.tags["gates"]
    assert "**Not registered**" in (tmp_path / f"{APPROVAL}.md").read_text()


def test_gates_name_what_is_missing() -> None:
    fraud = policy.models()[FRAUD]
    assert failures(fraud, {"precision": 0.9, "recall": 0.8, "f1": 0.85}) == []
    assert failures(fraud, {"precision": 0.79, "recall": 0.8, "f1": 0.85}) == ["precision is 0.7900, 0.8 is needed"]
    assert failures(fraud, {"precision": float("nan"), "recall": 0.8}) == [
        "precision is nan, 0.8 is needed",
        "f1 is unknown, 0.75 is needed",
    ]


def test_a_server_that_is_away_is_said_at_once() -> None:
    with pytest.raises(MlError, match=r"No tracking server answers at http://127\.0\.0\.1:9"):
        Registry("http://127.0.0.1:9")


def test_evidence_is_json_that_any_reader_takes(trained_fraud: Outcome) -> None:
    found = json.loads(trained_fraud.evidence.to_json())
    assert found["figures"]["f1"] == trained_fraud.evidence.figures["f1"]

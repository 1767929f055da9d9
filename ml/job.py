"""From data to a registered challenger, or to the reason why there is none."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml import comparison
from ml.datasets import sets
from ml.datasets.source import Source
from ml.evaluation.card import card
from ml.evaluation.evidence import show
from ml.evaluation.plots import draw
from ml.form import load
from ml.policy import models, promotion
from ml.registry import equality
from ml.registry.gates import failures
from ml.registry.store import CHALLENGER, Registry
from ml.training import reference
from ml.training.run import train
from ml.training.trained import Evidence, Trained
from ml.watching.reference import FILE as REFERENCE

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one training run. `version`: of the registered model, None when a gate kept it out."""

    model: str
    candidate: str
    evidence: Evidence
    gate_failures: tuple[str, ...]
    difference: float
    run_id: str
    version: str | None


def train_and_register(
    model: str, source: Source, label_delay_days: float, registry: Registry, results: Path, say: Say
) -> Outcome:
    """Train, show, keep in MLflow, and register as the challenger what passes its gates."""
    trained = train(sets.read(model, source, label_delay_days), label_delay_days, say)
    say("  judges it on the test period")
    evidence = show(trained)
    gate_failures = tuple(failures(models()[model], evidence.figures))
    with tempfile.TemporaryDirectory() as scratch, registry.run(model, trained.best.candidate.name) as run:
        form, kept = Path(scratch) / "form", Path(scratch) / "evidence"
        kept.mkdir()
        trained.served.save(form)
        equality.write(trained, form, equality.SERVED_ROWS)
        equality.write(trained, kept, promotion().equality_rows)
        (kept / REFERENCE).write_text(reference.take(trained).to_json(), encoding="utf-8")
        difference = comparison.difference(load(form), kept)
        text = card(trained, evidence, gate_failures, difference)
        _keep(kept, results, trained, evidence, text)
        run.log(_params(trained, label_delay_days), {**evidence.figures, **_ceilings(evidence)}, _tags(gate_failures))
        run.log({}, {"served_difference": difference}, {})
        run.keep(kept)
        version = None if gate_failures else run.register(trained.served, form)
    _tell(model, gate_failures, difference, version, say)
    return Outcome(model, trained.best.candidate.name, evidence, gate_failures, difference, run.run_id, version)


def _keep(kept: Path, results: Path, trained: Trained, evidence: Evidence, text: str) -> None:
    """Card, picture and figures, for the run and for people."""
    results.mkdir(parents=True, exist_ok=True)
    name = trained.served.name
    for folder in (kept, results):
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        draw(f"{name}: {trained.best.candidate.name}", evidence, folder / f"{name}.png")
    (kept / "evidence.json").write_text(evidence.to_json(), encoding="utf-8")


def _params(trained: Trained, label_delay_days: float) -> dict[str, object]:
    fingerprint = trained.data.fingerprint
    return {
        **{f"setting.{name}": value for name, value in trained.best.settings.items()},
        **{f"table.{name}": version for name, version in fingerprint.versions.items()},
        "candidate": trained.best.candidate.name,
        "threshold": trained.served.threshold,
        "label_delay_days": label_delay_days,
        "rows": fingerprint.rows,
        "sha256": fingerprint.sha256,
        "training": trained.divided.training.span(),
        "test": trained.divided.test.span(),
    }


def _ceilings(evidence: Evidence) -> dict[str, float]:
    return {f"ceiling.{name}": value for name, value in evidence.ceiling.items()}


def _tags(gate_failures: tuple[str, ...]) -> dict[str, str]:
    return {"gates": "; ".join(gate_failures) or "passed"}


def _tell(model: str, gate_failures: tuple[str, ...], difference: float, version: str | None, say: Say) -> None:
    if gate_failures:
        say(f"{model} is not registered: {'; '.join(gate_failures)}")
        return
    say(f"{model} version {version} is registered as {CHALLENGER}")
    if not difference <= promotion().equality_tolerance:
        say(f"  but its served form differs by up to {difference:.1e}: it cannot be promoted")

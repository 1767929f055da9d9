"""A model's card: what it learnt, from what, how good it is and where it is not, in Markdown."""

import math
from collections.abc import Mapping, Sequence

from ml.features.definitions import DEFINITIONS
from ml.policy import models
from ml.training.trained import Evidence, Trained

_MOST_FEATURES = 12


def card(trained: Trained, evidence: Evidence, gate_failures: Sequence[str], difference: float) -> str:
    """The card as text. `difference`: between served and trained probabilities, at most."""
    facts, data = trained.served.facts, trained.data
    parts = [
        f"# {trained.served.name}",
        f"{facts['candidate'].capitalize()}: {_settings(facts['settings'])}; threshold {trained.served.threshold:.4f}.",
        _verdict(gate_failures),
        "## Data",
        f"- training: {trained.divided.training.count:,} rows, {trained.divided.training.span()}",
        f"- test: {trained.divided.test.count:,} rows, {trained.divided.test.span()}",
        f"- read from: {', '.join(f'{name} {version}' for name, version in data.fingerprint.versions.items())}",
        f"- fingerprint: {data.fingerprint.rows:,} rows, SHA-256 {data.fingerprint.sha256}",
        f"- served form: {trained.served.scorer.kind}, at most {difference:.1e} from the trained model",
        "## Figures of the test period",
        figures_table(evidence, models()[trained.served.name].first_figures),
        *evidence.notes,
        "## Candidates",
        "Compared out of fold in the training period, by days that follow what was learnt from:",
        _table(["candidate", "settings", "score"], [
            [one.candidate.name, _settings(one.settings), f"{one.score:.4f}"] for one in trained.trials
        ]),
        *_rivals(evidence),
        "## Confusion",
        _confusion(trained, evidence),
        "## What matters",
        _table(["feature", "rise of log loss when shuffled"], [
            [name, f"{value:.5f}"] for name, value in list(evidence.importance.items())[:_MOST_FEATURES]
        ]),
        "## Slices",
        *[_slice_table(field, rows) for field, rows in evidence.slices.items() if rows],
        "## Asked with",
        _table(["field", "type", "meaning"], [
            [one.name, one.kind, one.meaning] for one in DEFINITIONS[trained.served.name].fields
        ]),
    ]  # fmt: skip
    return "\n\n".join(_joined_lists(parts)) + "\n"


def figures_table(evidence: Evidence, wanted: Mapping[str, float]) -> str:
    """Every figure with the one to beat, its interval and the ceiling."""
    rows = []
    for name, value in evidence.figures.items():
        interval = evidence.intervals.get(name)
        rows.append(
            [
                name,
                number(value),
                number(wanted[name]) if name in wanted else "",
                interval.bounds if interval else "",
                number(evidence.ceiling[name]) if name in evidence.ceiling else "",
            ]
        )
    return _table(["figure", "value", "to beat", "95 % interval", "ceiling"], rows)


def number(value: float) -> str:
    """A figure for people; a dash for what cannot be said."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4f}"


def _verdict(gate_failures: Sequence[str]) -> str:
    return f"**Not registered**: {'; '.join(gate_failures)}." if gate_failures else "All gates passed."


def _settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _rivals(evidence: Evidence) -> list[str]:
    if not evidence.rivals:
        return []
    names = ("accuracy", "f1", "pr_auc", "roc_auc", "log_loss", "calibration_error")
    rows = [[rival, *(number(figures[name]) for name in names)] for rival, figures in evidence.rivals.items()]
    return ["The rivals on the test period, for comparison only:", _table(["rival", *names], rows)]


def _confusion(trained: Trained, evidence: Evidence) -> str:
    classes = trained.served.classes
    rows = [[name, *map(str, row)] for name, row in zip(classes, evidence.confusion, strict=True)]
    return _table(["true \\ chosen", *classes], rows)


def _slice_table(field: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    columns = list(next(iter(rows.values())))
    return _table([field, *columns], [[value, *(number(one[name]) for name in columns)] for value, one in rows.items()])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _joined_lists(parts: Sequence[str]) -> list[str]:
    """Neighbouring list items become one paragraph."""
    joined: list[str] = []
    for part in parts:
        if part.startswith("- ") and joined and joined[-1].startswith("- "):
            joined[-1] += f"\n{part}"
        else:
            joined.append(part)
    return joined

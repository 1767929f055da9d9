"""The table of all models: the figure to beat, what was reached, and the ceiling beside it."""

from collections.abc import Sequence
from pathlib import Path

from ml.evaluation.card import number
from ml.job import Outcome
from ml.policy import models

_ALSO = {
    "fraud_detection_model": ("pr_auc", "roc_auc", "log_loss", "precision_at_100_cards", "cost_usd_per_1000"),
    "approval_propensity_model": ("pr_auc_declines", "roc_auc", "log_loss", "calibration_error"),
    "risk_scoring_model": ("macro_f1", "pr_auc", "roc_auc", "log_loss"),
    "smart_routing_policy": ("uplift", "uplift_by_ips", "true_uplift", "logged_approval", "fee_usd", "fee_usd_logged"),
    "smart_retry_policy": ("value", "logged_recovered", "uplift", "true_value", "net_usd_per_1000", "roc_auc"),
}
_HEAD = ("model", "candidate", "figure", "to beat", "reached", "95 % interval", "ceiling", "outcome")


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """One row per figure, the figures to beat first."""
    found: list[tuple[str, ...]] = []
    for outcome in outcomes:
        wanted = models()[outcome.model].first_figures
        for name in (*wanted, *_ALSO[outcome.model]):
            figures, interval = outcome.evidence.figures, outcome.evidence.intervals.get(name)
            found.append(
                (
                    outcome.model,
                    outcome.candidate,
                    name,
                    number(wanted[name]) if name in wanted else "",
                    number(figures[name]) if name in figures else "unknown",
                    interval.bounds if interval else "",
                    number(outcome.evidence.ceiling[name]) if name in outcome.evidence.ceiling else "",
                    f"version {outcome.version}" if outcome.version else "not registered",
                )
            )
    return found


def text(outcomes: Sequence[Outcome]) -> str:
    """For a terminal: aligned columns."""
    table = [_HEAD, *rows(outcomes)]
    widths = [max(len(row[place]) for row in table) for place in range(len(_HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)


def write(outcomes: Sequence[Outcome], command: str, to: Path) -> None:
    """As Markdown, with the command that gave it."""
    to.mkdir(parents=True, exist_ok=True)
    lines = ["# Models", "", f"By `{command}`. Test period only; see the card of each model.", ""]
    lines += ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(row) + " |" for row in rows(outcomes)]
    (to / "models.md").write_text("\n".join(lines) + "\n", encoding="utf-8")

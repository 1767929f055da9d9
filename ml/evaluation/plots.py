"""The evidence as one picture."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ml.training.trained import Evidence

mpl.use("Agg")
_MOST_FEATURES = 15


def draw(title: str, evidence: Evidence, to: Path) -> None:
    """Write a PNG: calibration, precision and recall, cost where there is one, and what matters."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    figure.suptitle(title)
    has_cost = "cost" in evidence.curves
    left, middle, *rest = figure.subplots(1, 4 if has_cost else 3)
    _calibration(left, evidence)
    _precision_recall(middle, evidence)
    if has_cost:
        _cost(rest[0], evidence)
    _importance(rest[-1], evidence)
    figure.savefig(to, dpi=90)


def _calibration(axes: Axes, evidence: Evidence) -> None:
    points = evidence.curves["calibration"]
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    axes.plot([one[0] for one in points], [one[1] for one in points], marker="o", markersize=3)
    axes.set(title="Calibration", xlabel="probability given", ylabel="share that happened")


def _precision_recall(axes: Axes, evidence: Evidence) -> None:
    points = evidence.curves["precision_recall"]
    axes.plot([one[0] for one in points], [one[1] for one in points])
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))


def _cost(axes: Axes, evidence: Evidence) -> None:
    points = evidence.curves["cost"]
    axes.plot([one[0] for one in points], [one[1] for one in points], marker="o", markersize=3)
    axes.set(title="Cost of the test period, US dollars", xlabel="threshold", xscale="log", yscale="log")


def _importance(axes: Axes, evidence: Evidence) -> None:
    chosen = list(evidence.importance.items())[:_MOST_FEATURES][::-1]
    axes.barh([name for name, _ in chosen], [value for _, value in chosen])
    axes.tick_params(axis="y", labelsize=7)
    axes.set(title="Rise of log loss when shuffled")

"""One small picture per benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from cycler import cycler
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.visibility import Journeys

SLICE_S = 10.0


def latency(journeys: Journeys, began: float, warm: float, file: Path) -> None:
    """Percentiles of creation → KPI for every 10 seconds of the run; the warm-up is shaded."""
    ends = np.arange(began, journeys.created.max(), SLICE_S) if len(journeys.created) else np.array([])
    slices = [journeys.during(start, start + SLICE_S).total / 1000 for start in ends]
    figure, axes = _axes("seconds since the first event", "seconds from creation to KPI")
    for percentile, colour in ((99, "#b2182b"), (95, "#ef8a62"), (50, "#2166ac")):
        heights = [np.percentile(one, percentile) if len(one) else np.nan for one in slices]
        axes.plot(ends - began + SLICE_S / 2, heights, color=colour, label=f"p{percentile}")
    axes.axvspan(0, warm - began, color="#000000", alpha=0.06, label="warm-up")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    figure.savefig(file)


def throughput(seconds: Sequence[float], events: Sequence[int], steady_from: float, file: Path) -> None:
    """Events per second of each batch of a drain; what is before the steady part is shaded."""
    figure, axes = _axes("seconds since the stream was ready", "events/s of each batch")
    edges = np.array([0.0, *seconds])
    axes.stairs(np.array(events) / np.maximum(np.diff(edges), 1e-3), edges, color="#2166ac")
    axes.axvspan(0, steady_from, color="#000000", alpha=0.06, label="not counted as steady")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    figure.savefig(file)


def soak(
    minutes: Sequence[float],
    memory: Mapping[str, Sequence[float]],
    batches: Sequence[tuple[float, float]],
    files: Mapping[str, Sequence[int]],
    file: Path,
) -> None:
    """Memory by service, seconds between commits, and data files by table, over the minutes of a run."""
    figure = Figure(figsize=(7.2, 8.4), dpi=100, layout="constrained")
    top, middle, bottom = figure.subplots(3, sharex=True)
    for axes in (top, bottom):
        axes.set_prop_cycle(cycler(linestyle=["-", "--"]) * rcParams["axes.prop_cycle"])
    for name, used in memory.items():
        top.plot(minutes, used, label=name, linewidth=1)
    at, length = np.array(batches).reshape(-1, 2).T
    middle.plot(at, length, ".", markersize=1.5, color="#2166ac")
    for name, count in files.items():
        bottom.plot(minutes, count, label=name, linewidth=1)
    top.set_ylabel("MiB resident")
    middle.set_ylabel("seconds between commits")
    bottom.set(ylabel="data files", xlabel="minutes")
    for axes in (top, middle, bottom):
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in (top, bottom):
        axes.legend(frameon=False, fontsize=7, ncols=2, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(file)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 2.8), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

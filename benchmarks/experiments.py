"""How often the tests of experiments find what is not there, and what is, by simulation.

`python -m benchmarks.experiments`. Each simulated experiment is looked at again and again while it runs, as an
impatient reader would.
"""

from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.report import Floats, Reference, Result, destination, load_average, table, write
from ml.experiments import fixed, sequential
from ml.experiments.arms import Arm

FULL_RUNS = 1_000
ALPHA, POWER, BASELINE, EFFECT = 0.05, 0.8, 0.88, 0.02
LOOKS = 200
LENGTH = 3.0
"""Experiments run for so many times the size that the fixed test was planned with."""


def main(runs: Annotated[int, typer.Option(min=20, help="Simulated experiments per row.")] = FULL_RUNS) -> None:
    """Measure, and write benchmarks/results/experiments.md; shortened runs go to var/benchmarks."""
    before = load_average()
    rows = [
        _row(label, ratio, effect, runs)
        for label, ratio in (("half and half", 1.0), ("nine to one", 1 / 9))
        for effect in (0.0, EFFECT)
    ]
    peeked = max(row["fixed_found_peeking"] for row in rows if not row["effect"])
    honest = max(row["sequential_found"] for row in rows if not row["effect"])
    result = Result(
        name="experiments",
        settings={"runs": runs, "alpha": ALPHA, "baseline": BASELINE, "minimal_effect": EFFECT, "looks": LOOKS},
        metrics={"rows": rows},
        reference=Reference("the fixed test looked at as often, no difference", {"false_findings": peeked}),
        ratio={"false_findings": round(honest / peeked, 3)},
        load_average={"before": before, "after": load_average()},
    )
    typer.echo(write(result, _text(result), destination(runs == FULL_RUNS)).read_text())


def _row(label: str, ratio: float, effect: float, runs: int) -> dict[str, Any]:
    planned = fixed.needed_units(BASELINE, EFFECT, ALPHA, POWER, ratio)
    random = np.random.default_rng(20)
    found = np.zeros((runs, 3), dtype=bool)
    units = np.full(runs, np.nan)
    for run in range(runs):
        champion = _looked_at(random, planned[0], BASELINE)
        challenger = _looked_at(random, planned[1], BASELINE + effect)
        found[run], units[run] = _followed(champion, challenger)
    at_plan, peeking, any_time = found.mean(axis=0).tolist()
    return {
        "split": label,
        "effect": effect,
        "planned_units": float(sum(planned)),
        "fixed_found": at_plan,
        "fixed_found_peeking": peeking,
        "sequential_found": any_time,
        "sequential_found_by_plan": float((units <= 1.0).mean()),
        "median_share_of_plan": float(np.nanmedian(units)) if np.isfinite(units).any() else float("nan"),
    }


def _looked_at(random: np.random.Generator, planned: int, share: float) -> Floats:
    """Units and successes at each look; one of them is at the planned size."""
    sizes = np.unique(np.linspace(0, planned * LENGTH, LOOKS + 1)[1:].astype(int))
    sizes[np.abs(sizes - planned).argmin()] = planned
    steps = np.diff(sizes, prepend=0)
    return np.column_stack([sizes, np.cumsum(random.binomial(steps, share))]).astype(np.float64)


def _followed(champion: Floats, challenger: Floats) -> tuple[list[bool], float]:
    """Found by the fixed test at its size, at any look, by the sequential one; and when that was, in planned sizes."""
    looks = min(len(champion), len(challenger))
    at_size = round(looks / LENGTH) - 1
    fixed_found, when = [], float("nan")
    for look in range(looks):
        one, two = (Arm("", int(n), int(n), int(k)) for n, k in (champion[look], challenger[look]))
        fixed_found.append(fixed.compare(one, two, ALPHA).p_value <= ALPHA)
        test = sequential.compare(one, two, ALPHA, EFFECT)
        if np.isnan(when) and test is not None and test.p_value <= ALPHA:
            when = (look + 1) / looks * LENGTH
    return [fixed_found[at_size], any(fixed_found[looks // 20 :]), not np.isnan(when)], when


def _text(result: Result) -> list[str]:
    columns = ("fixed_found", "fixed_found_peeking", "sequential_found", "sequential_found_by_plan")
    head = ("split, true effect", "planned units", "fixed at plan %", "fixed, peeking %", "sequential %", "by plan %")
    return [
        "# Experiments: what the tests find",
        "",
        f"Percent of {result.settings['runs']:,} simulated experiments in which a difference was found. Each ran for",
        f"{LENGTH:g} times its planned size and was looked at {LOOKS} times. Without a difference (effect 0) every",
        f"finding is false; at most {ALPHA:.0%} may be.",
        "",
        *table(
            (*head, "median"),
            [
                (
                    f"{row['split']}, {row['effect']:g}",
                    int(row["planned_units"]),
                    *(100 * row[name] for name in columns),
                    "-" if np.isnan(row["median_share_of_plan"]) else f"{row['median_share_of_plan']:.2f}",
                )
                for row in result.metrics["rows"]
            ],
        ),
        "",
        "Fixed, peeking: the first look is after 5 % of the run. By plan: found no later than the fixed test is read.",
        "Median: planned sizes until the sequential test found something, where it did.",
    ]


if __name__ == "__main__":
    typer.run(main)

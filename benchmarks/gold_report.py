"""What a run of the gold benchmark found, as figures and as text."""

from benchmarks.gold_readers import FLOOR, Seen, rows
from benchmarks.gold_run import STREAM_RATE, Grown, Plan, Run
from benchmarks.report import Reference, Result, load_average, table

GOAL_MS = 500.0


def result(plan: Plan, run: Run, load_before: float) -> Result:
    """The figures of a run."""
    many = run.many.figures()
    bare, every = many.get(FLOOR, {}), many["all"]
    return Result(
        name="gold",
        settings={**vars(plan), "api_processes": 1},
        metrics={
            "grown": [vars(one) for one in run.grown],
            "views": run.views,
            "one_reader": run.alone.figures(),
            "many_readers": many,
            "answers_per_s": round(run.many.count / max(run.many.seconds, 1e-9), 1),
            "errors": dict(run.alone.errors + run.many.errors),
            "cores_used": run.cores,
            "api_cpu_ms_per_answer": _cpu_per_answer(run),
            "streamed_payments_per_s": run.streamed_per_s,
            "missed": missed(run.many),
            "failures": run.failures,
        },
        reference=Reference(f"GET {FLOOR}, which asks nobody, by the same readers in the same run", bare),
        ratio={name: round(every[name] / bare[name], 1) for name in every if bare.get(name)},
        load_average={"before": load_before, "after": load_average()},
    )


def missed(seen: Seen) -> list[str]:
    """The requests whose p95 is not under the goal."""
    return sorted(name for name, figures in seen.figures().items() if figures.get("p95_ms", 0.0) >= GOAL_MS)


def _cpu_per_answer(run: Run) -> float | None:
    """Milliseconds of the API's processor time for one answer to the many."""
    if not run.many.count or "api" not in run.cores:
        return None
    return round(run.cores["api"] * run.many.seconds * 1000 / run.many.count, 2)


def readers(seen: Seen) -> list[str]:
    """A table of what readers saw, by request."""
    return table(["", "answers", "p50 ms", "p95 ms", "p99 ms", "max ms"], rows(seen))


def text(plan: Plan, run: Run) -> list[str]:
    """The result for people."""
    beside = (
        f"the stream writing {STREAM_RATE:,} purchases/s ({run.streamed_per_s:,.0f} payments/s arrived)"
        if plan.beside_the_stream
        else "nothing else running"
    )
    errors = run.alone.errors + run.many.errors
    kinds = ", ".join(f"{count} × {kind}" for kind, count in sorted(errors.items()))
    over = "; ".join(missed(run.many)) or "none"
    return [
        "# Gold: how fast it answers",
        "",
        f"{run.grown[-1].payments:,} payments in {plan.hours} hours, {beside}. "
        "Each request is about the last 24 hours.",
        *_failures(run),
        "",
        f"## {plan.readers} readers at once",
        "",
        *readers(run.many),
        "",
        f"{run.many.count / max(run.many.seconds, 1e-9):,.0f} answers/s, {errors.total()} errors"
        f"{f' ({kinds})' if kinds else ''}. A closed loop: each reader asks for one thing after the other in an order "
        f"of its own, without an ETag, and pauses {plan.pause:g} s on average in between. Readers, API and all else "
        f"share the machine. p95 of {GOAL_MS:.0f} ms or more: {over}.",
        *_cores(run),
        "",
        "## One reader",
        "",
        *readers(run.alone),
        "",
        "## The views themselves",
        "",
        *_views(run),
        "",
        "## What it takes, and how that grows",
        "",
        *_growth(run.grown),
        "",
        "The same hours at each size, with more payments in each; nothing else ran. Filling copies a simulated sample "
        "inside Postgres with fsync off; all else is measured as it ships. Of the checkouts only those known as fraud "
        "are there, which is what the views read of them.",
    ]


def _failures(run: Run) -> list[str]:
    if not run.failures:
        return []
    return ["", "**Not all of it worked:**", "", *(f"- {name}: {why}" for name, why in run.failures.items())]


def _cores(run: Run) -> list[str]:
    if not run.cores:
        return []
    lines = [[name, f"{cores:.2f}"] for name, cores in run.cores.items()]
    per_answer = _cpu_per_answer(run)
    each = f" Of the API's that is {per_answer} ms for each answer." if per_answer else ""
    return ["", f"Cores used meanwhile.{each}", "", *table(["process", "cores"], lines)]


def _views(run: Run) -> list[str]:
    head = ["all rows of the last 24 hours, p50 ms", *(f"{one.payments:,}" for one in run.grown), "beside the stream",
            "its p95 ms"]  # fmt: skip
    lines = []
    for view in sorted({*run.views, *(name for one in run.grown for name in one.views)}):
        quiet = [one.views.get(view, {}).get("p50_ms", "") for one in run.grown]
        beside = run.views.get(view, {})
        lines.append([view, *quiet, beside.get("p50_ms", ""), beside.get("p95_ms", "")])
    return table(head, lines)


def _growth(grown: list[Grown]) -> list[str]:
    lines: list[list[object]] = [
        ["filled, payments/s", *(round(one.payments / one.fill_s) if one.fill_s else "" for one in grown)]
    ]
    lines += [[f"dbt counting {name}, s", *(one.dbt_s.get(name, "") for one in grown)]
              for name in ("every hour", "nothing new", "one hour")]  # fmt: skip
    lines += [[f"{name}, MB", *(one.megabytes.get(name, "") for one in grown)]
              for name in ("detail", "aggregates", "batch layer")]  # fmt: skip
    return table(["payments", *(f"{one.payments:,}" for one in grown)], lines)

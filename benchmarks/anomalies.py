"""How soon each incident of the simulator is found, and how often a calm day raises an alarm."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import report
from benchmarks.anomaly_worlds import Row, hours, minutes
from benchmarks.report import Reference, Result, table
from ml.anomalies.detector import Detector
from ml.anomalies.incident import Incident
from ml.anomalies.policy import policy
from ml.anomalies.profile import HourRow, build
from ml.anomalies.series import ALL, Frame, Key, cut, frame
from producer.incidents import parse_incident
from producer.schedule import Schedule
from producer.simulator import Scenario

START_MS = 1_772_409_600_000
"""Monday 2026-03-02 00:00 UTC."""
WARM_UP_DAYS = 1
LEAD_MINUTES = 35
"""Calm minutes before an incident: all that the level is known by."""
INCIDENT_MINUTES = 6
BEGINS_AT_SECOND = 20
"""Of its minute; an incident seldom begins on the full minute."""
HOURS_OF_DAY = (4, 11, 19)

CAUSES = {
    "issuer_outage": Key("issuer", "Liberty Bank"),
    "processor_drop": Key("processor", "ProcessorB"),
    "fraud_burst": ALL,
    "latency_spike": Key("processor", "ProcessorC"),
    "volume_drop": ALL,
}
"""Where each incident is, by default: what the anomaly should name."""


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    seeds: int
    days: int
    calm_rate: float
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Trial:
    """One incident at one hour of one seed."""

    incident: str
    rate: float
    delay_minutes: float | None
    """From its beginning until an anomaly is told, the watermark included; None when it was not found."""
    names_the_cause: bool
    alarms: int
    """All anomalies of the trial from the incident's beginning on: one is right."""


def run(
    seeds: Annotated[int, typer.Option(min=1, help="Worlds.")] = 1,
    days: Annotated[int, typer.Option(min=2, help="Days of calm history per world; the first is not scored.")] = 8,
    calm_rate: Annotated[float, typer.Option(min=0.1, help="Purchases per second of the history.")] = 1.5,
    rate: Annotated[list[float], typer.Option(help="Purchases per second around incidents, repeatable.")] = [30.0],  # noqa: B006
    trial: Annotated[bool, typer.Option("--trial", help="Write to var/benchmarks instead of the results.")] = False,
) -> None:
    """Score the detector on worlds whose incidents are known."""
    plan = Plan(seeds, days, calm_rate, tuple(rate))
    before, began = report.load_average(), time.monotonic()
    false_alarms: list[Incident] = []
    trials: list[Trial] = []
    for seed in range(1, seeds + 1):
        history, alarms = calm(seed, plan)
        false_alarms += alarms
        _say(f"seed {seed}: {len(alarms)} false alarms in {days - WARM_UP_DAYS} days; {time.monotonic() - began:.0f} s")
        for purchases_per_s in plan.rates:
            for name in CAUSES:
                trials += incident_trials(seed, name, purchases_per_s, history)
                _say(f"  {name} at {purchases_per_s:g}/s: {_delays(trials[-len(HOURS_OF_DAY) :])}")
    scored_days = seeds * (days - WARM_UP_DAYS)
    result = Result(
        name="anomalies",
        settings={"worlds": seeds, "days": days, "calm_purchases_per_s": calm_rate, "incident_rates": list(plan.rates)},
        metrics={
            "false_alarms_per_day": round(len(false_alarms) / scored_days, 3),
            "calm_days": scored_days,
            "incidents": _by_incident(trials),
        },
        reference=Reference("target", {"delay_minutes": 3.0, "false_alarms_per_day": 1.0}),
        ratio={"false_alarms": round(len(false_alarms) / scored_days, 3)},
        load_average={"before": before, "after": report.load_average()},
    )
    readable = report.write(result, _text(result, false_alarms, scored_days), report.destination(not trial))
    print(readable.read_text())


def calm(seed: int, plan: Plan) -> tuple[list[HourRow], list[Incident]]:
    """A world's history without incidents, by hour, and what was found in it after the first day."""
    scenario = Scenario(seed, Schedule(plan.calm_rate, START_MS, "daily", plan.days * 86_400), namespace="history")
    rows = list(minutes(scenario, policy()))
    history, whole = hours(rows), _whole(rows)
    first = START_MS // 60_000 + WARM_UP_DAYS * 1440
    return history, watch(whole, history, first, first + (plan.days - WARM_UP_DAYS) * 1440)


def incident_trials(seed: int, name: str, rate: float, history: Sequence[HourRow]) -> list[Trial]:
    """The incident at several hours of the day that follows the history."""
    last_hour = max(hour for hour, *_ in history)
    found = []
    for hour in HOURS_OF_DAY:
        start_ms = (last_hour // 24 * 24 + 24 + hour) * 3_600_000 + 5 * 60_000
        begins_s = LEAD_MINUTES * 60 + BEGINS_AT_SECOND
        incident = parse_incident(f"{name}:at={begins_s}s")
        schedule = Schedule(rate, start_ms, duration_seconds=(LEAD_MINUTES + INCIDENT_MINUTES) * 60)
        rows = list(minutes(Scenario(seed, schedule, namespace=f"{name}-{hour}", incidents=(incident,)), policy()))
        began = start_ms / 60_000 + begins_s / 60
        first = start_ms // 60_000
        incidents = watch(_whole(rows), history, first + 25, first + LEAD_MINUTES + INCIDENT_MINUTES)
        found.append(_trial(name, rate, began, [one for one in incidents if one.detected >= int(began)]))
    return found


def watch(whole: Frame, history: Sequence[HourRow], first: int, end: int) -> list[Incident]:
    """Everything the detector finds in the minutes [first, end), as a watcher that knows the hours before each."""
    detector = Detector(policy())
    incidents: list[Incident] = []
    hour, profile = -1, build([], whole.keys, whole.reasons)
    for minute in range(first, end):
        if minute // 60 != hour:
            hour = minute // 60
            profile = build((row for row in history if row[0] < hour), whole.keys, whole.reasons)
        stretch = cut(whole, minute, detector.frame_minutes)
        near = [one for one in incidents if one.ended is None or one.ended >= stretch.first]
        for one in detector.judge(stretch, profile, minute, near):
            if one not in incidents:
                incidents.append(one)
    return incidents


def _whole(rows: Iterable[Row]) -> Frame:
    listed = list(rows)
    first, last = min(row[0] for row in listed), max(row[0] for row in listed)
    return frame(listed, first, last - first + 1)


def _trial(name: str, rate: float, began: float, found: Sequence[Incident]) -> Trial:
    if not found:
        return Trial(name, rate, None, False, 0)
    told = min(one.detected for one in found) + 1 + policy().series.watermark_seconds / 60
    return Trial(name, rate, round(told - began, 2), found[0].key == CAUSES[name], len(found))


def _by_incident(trials: Sequence[Trial]) -> dict[str, Any]:
    return {
        f"{name} at {rate:g}/s": _figures([one for one in trials if (one.incident, one.rate) == (name, rate)])
        for rate in dict.fromkeys(one.rate for one in trials)
        for name in CAUSES
    }


def _figures(trials: Sequence[Trial]) -> dict[str, float | int]:
    delays = [one.delay_minutes for one in trials if one.delay_minutes is not None]
    p50, p95 = np.percentile(delays, (50, 95)) if delays else (float("nan"), float("nan"))
    return {
        "trials": len(trials),
        "found": len(delays),
        "cause_named": sum(one.names_the_cause for one in trials),
        "p50_delay_minutes": round(float(p50), 2),
        "p95_delay_minutes": round(float(p95), 2),
        "anomalies_per_incident": round(sum(one.alarms for one in trials) / max(len(trials), 1), 2),
    }


def _text(result: Result, false_alarms: Sequence[Incident], days: int) -> list[str]:
    head = ["incident", "found", "cause named", "delay p50, min", "delay p95, min", "anomalies each"]
    rows = [
        [
            name,
            f"{one['found']}/{one['trials']}",
            f"{one['cause_named']}/{one['trials']}",
            f"{one['p50_delay_minutes']:.2f}",
            f"{one['p95_delay_minutes']:.2f}",
            f"{one['anomalies_per_incident']:.2f}",
        ]
        for name, one in result.metrics["incidents"].items()
    ]
    by_metric = {one.metric: 0 for one in false_alarms}
    for one in false_alarms:
        by_metric[one.metric] += 1
    told = ", ".join(f"{number} of {metric}" for metric, number in by_metric.items()) or "none"
    return [
        "# Anomalies: how soon, and how often for nothing",
        "",
        f"{result.metrics['false_alarms_per_day']} false alarms per day on {days} calm days ({told}). Incidents "
        "have the strength that they have by default.",
        "",
        *table(head, rows),
        "",
        f"The delay runs from the incident's beginning, {BEGINS_AT_SECOND} s into a minute, until its anomaly is told; "
        "it holds the rest of the minute and the watermark of "
        f"{policy().series.watermark_seconds} s. Each incident met a platform that had seen {LEAD_MINUTES} minutes at "
        f"this rate and a history of {result.settings['days']} days at {result.settings['calm_purchases_per_s']:g}/s.",
    ]


def _delays(trials: Sequence[Trial]) -> str:
    return ", ".join("missed" if one.delay_minutes is None else f"{one.delay_minutes:.1f} min" for one in trials)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(run)

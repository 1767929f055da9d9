"""Bad days that can be switched on: an issuer or processor that fails or slows down, fraud, fewer customers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from domain.contracts import reference
from producer.durations import parse_duration
from producer.errors import ProducerError

FOREVER_MS = 1 << 60


@dataclass(frozen=True)
class Incident:
    """One incident in milliseconds after the start: [from_ms, until_ms)."""

    name: str
    from_ms: int = 0
    until_ms: int = FOREVER_MS
    issuer: str = ""
    processor: str = ""
    share: float = 0.0
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the incidents of an instant add up to."""

    issuers_down: frozenset[str] = frozenset()
    processor_drop: dict[str, float] = field(default_factory=dict)
    extra_fraud: float = 0.0
    processor_slowness: dict[str, float] = field(default_factory=dict)
    lost_share: float = 0.0


CALM = Conditions()
DEFAULTS: dict[str, dict[str, str | float]] = {
    "issuer_outage": {"issuer": "Liberty Bank"},
    "processor_drop": {"processor": "ProcessorB", "share": 0.35},
    "fraud_burst": {"share": 0.08},
    "latency_spike": {"processor": "ProcessorC", "factor": 3.0},
    "volume_drop": {"share": 0.6},
}


def parse_incident(text: str) -> Incident:
    """An incident from NAME[:at=30s,for=2m,issuer=...,processor=...,share=0.3].

    Raises ProducerError naming the part that is not understood.
    """
    name, _, options = text.partition(":")
    if name not in DEFAULTS:
        raise ProducerError(f"--incident {name!r} is unknown; choose one of {', '.join(DEFAULTS)}.")
    values = dict(DEFAULTS[name])
    times = {"at": 0, "for": FOREVER_MS}
    for option in filter(None, re.split(r",(?=\w+=)", options)):
        key, _, value = option.partition("=")
        if key in times and value:
            times[key] = int(parse_duration(value) * 1000)
        elif key in values and value:
            values[key] = _CHECKS.get(key, partial(_known, key))(value)
        else:
            known = ", ".join(f"{one}=..." for one in [*times, *values])
            raise ProducerError(f"--incident {name}: {option!r} is not understood; possible are {known}.")
    return Incident(name, times["at"], times["at"] + times["for"], **values)  # type: ignore[arg-type]


class IncidentCalendar:
    """Looks the conditions of an instant up; cheap as long as nothing changes."""

    def __init__(self, incidents: tuple[Incident, ...]) -> None:
        self._incidents = incidents
        self._conditions = CALM
        self._valid_until_ms = 0

    def at(self, elapsed_ms: int) -> Conditions:
        """Conditions this long after the start; times must not go back."""
        if elapsed_ms >= self._valid_until_ms:
            self._conditions, self._valid_until_ms = self._look_up(elapsed_ms)
        return self._conditions

    def _look_up(self, elapsed_ms: int) -> tuple[Conditions, int]:
        active = [one for one in self._incidents if one.from_ms <= elapsed_ms < one.until_ms]
        bounds = [bound for one in self._incidents for bound in (one.from_ms, one.until_ms) if bound > elapsed_ms]
        conditions = Conditions(
            issuers_down=frozenset(one.issuer for one in active if one.name == "issuer_outage"),
            processor_drop={one.processor: one.share for one in active if one.name == "processor_drop"},
            extra_fraud=sum(one.share for one in active if one.name == "fraud_burst"),
            processor_slowness={one.processor: one.factor for one in active if one.name == "latency_spike"},
            lost_share=max((one.share for one in active if one.name == "volume_drop"), default=0.0),
        )
        return conditions, min(bounds, default=FOREVER_MS)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ProducerError(f"share={text} must be a number from 0 to 1.")
    return share


def _factor(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 1.0 <= factor <= 100.0:
        raise ProducerError(f"factor={text} must be a number from 1 to 100.")
    return factor


def _known(key: str, value: str) -> str:
    issuers = [name for country in reference()["countries"] for name in country["issuers"]]
    known = issuers if key == "issuer" else reference()["processors"]["names"]
    if value not in known:
        raise ProducerError(f"{key}={value} is unknown; choose one of {', '.join(known)}.")
    return value


_CHECKS: dict[str, Callable[[str], float]] = {"share": _share, "factor": _factor}

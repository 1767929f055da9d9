"""What the detector makes of series whose cause is known."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from ml.anomalies.detector import Detector
from ml.anomalies.incident import Incident
from ml.anomalies.policy import policy
from ml.anomalies.profile import build
from ml.anomalies.series import ALL, Count, Frame, Key, frame

FIRST = 29_553_780
"""Beginning of an hour."""
CALM = 40
PARTS = tuple(Key("processor", name) for name in "ABC")

Share = Mapping[Key, float]


def rows(minutes: int, n: int, approval: Share, latency: float, volume: float) -> Iterator[tuple[int, Key, Count]]:
    """Three processors; after the calm minutes each has the approval given, and all the latency and volume."""
    for at in range(minutes):
        is_calm = at < CALM
        total = [0, 0, 0.0, 0.0, 0]
        for key in PARTS:
            attempts = n if is_calm else int(n * volume)
            approved = round(attempts * (0.9 if is_calm else approval.get(key, 0.9)))
            typical = 5.3 if is_calm else latency
            sums = (attempts, approved, attempts * typical, attempts * (typical**2 + 0.1), attempts - approved)
            total = [a + b for a, b in zip(total, sums, strict=True)]
            yield FIRST + at, key, Count(*sums[:4], {"do_not_honor": sums[4]})
        yield FIRST + at, ALL, Count(int(total[0]), int(total[1]), total[2], total[3], {"do_not_honor": int(total[4])})


def found(minutes: int = 45, n: int = 300, approval: Share | None = None, latency: float = 5.3, volume: float = 1.0,
          until: int | None = None) -> list[Incident]:  # fmt: skip
    series = frame(rows(minutes, n, approval or {}, latency, volume), FIRST, minutes)
    return judge(series, until or minutes)


def judge(series: Frame, minutes: int) -> list[Incident]:
    incidents: list[Incident] = []
    profile = build([], series.keys, series.reasons)
    for minute in range(FIRST, FIRST + minutes):
        for one in Detector(policy()).judge(series, profile, minute, incidents):
            if one not in incidents:
                incidents.append(one)
    return incidents


def test_calm_minutes_raise_nothing_from_the_very_first_on() -> None:
    assert found(minutes=60) == []


def test_one_processor_that_fails_is_one_anomaly_that_names_it() -> None:
    (one,) = found(approval={PARTS[1]: 0.5})
    assert (one.metric, one.key, one.started, one.is_open) == ("approval_rate", PARTS[1], FIRST + CALM, True)


def test_a_fall_of_all_processors_is_one_anomaly_of_all_payments() -> None:
    (one,) = found(approval=dict.fromkeys(PARTS, 0.7))
    assert one.key == ALL


@pytest.mark.parametrize(
    ("metric", "change"), [("latency", {"latency": 6.3}), ("volume", {"volume": 0.2}), ("volume", {"volume": 0.0})]
)
def test_slowness_loss_and_silence_are_found(metric: str, change: dict[str, float]) -> None:
    (one,) = found(**change)  # type: ignore[arg-type]
    assert (one.metric, one.key, one.started) == (metric, ALL, FIRST + CALM)


def test_a_change_too_small_to_matter_is_none_however_certain() -> None:
    assert found(n=100_000, approval=dict.fromkeys(PARTS, 0.885)) == []


def test_a_few_declines_among_few_attempts_are_no_anomaly() -> None:
    assert found(n=4, approval={PARTS[1]: 0.5}) == []


def test_a_repeated_start_from_what_was_kept_finds_the_same() -> None:
    whole = found(approval={PARTS[1]: 0.5})
    series = frame(rows(45, 300, {PARTS[1]: 0.5}, 5.3, 1.0), FIRST, 45)
    kept = judge(series, 42)
    for minute in range(42, 45):
        Detector(policy()).judge(series, build([], series.keys, series.reasons), FIRST + minute, kept)
    assert kept == whole


def test_a_sign_that_came_before_does_not_say_when_the_fall_began() -> None:
    """Other reasons for as many declines, and three minutes later a processor that fails."""

    def changing() -> Iterator[tuple[int, Key, Count]]:
        usual = {key: count for _, key, count in rows(1, 300, {}, 5.3, 1.0)}
        for minute, key, count in rows(46, 300, {PARTS[1]: 0.4}, 5.3, 1.0):
            if 0 <= minute - FIRST - CALM < 3:
                declined = sum(usual[key].declines.values())
                yield minute, key, replace(usual[key], declines={"do_not_honor": 0, "issuer_unavailable": declined})
            else:
                yield minute, key, count

    (one,) = judge(frame(changing(), FIRST, 46), 46)
    assert (one.metric, one.key, one.started) == ("approval_rate", PARTS[1], FIRST + CALM + 3)
    assert one.detected >= one.started


ISSUERS = tuple(Key("issuer", name) for name in "KLMN")


def test_what_fails_in_one_dimension_casts_no_shadow_on_another() -> None:
    """An issuer that fails takes a quarter of each processor's attempts with it, and of all."""

    def crossed() -> Iterator[tuple[int, Key, Count]]:
        for at in range(46):
            cells = {
                (processor, issuer): 70 if at >= CALM and issuer == ISSUERS[2] else 90
                for processor in PARTS
                for issuer in ISSUERS
            }
            for key in (ALL, *PARTS, *ISSUERS):
                approved = [good for where, good in cells.items() if key == ALL or key in where]
                n = 100 * len(approved)
                yield (
                    FIRST + at,
                    key,
                    Count(n, sum(approved), n * 5.3, n * (5.3**2 + 0.1), {"do_not_honor": n - sum(approved)}),
                )

    (one,) = judge(frame(crossed(), FIRST, 46), 46)
    assert (one.metric, one.key, one.started) == ("approval_rate", ISSUERS[2], FIRST + CALM)

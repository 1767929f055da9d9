"""Which series share traffic, and what the season makes of history."""

from ml.anomalies.profile import build, hour_of_week
from ml.anomalies.series import ALL, Count, Key

B, RETAIL = Key("processor", "B"), Key("merchant_segment", "Retail")
B_RETAIL = Key("processor x merchant_segment", "B x Retail")


def test_a_series_contains_what_has_all_of_its_parts() -> None:
    assert ALL.contains(B)
    assert B.contains(B_RETAIL)
    assert not B.contains(RETAIL)
    assert not Key("processor", "A").contains(B_RETAIL)


def test_series_are_apart_when_a_column_differs() -> None:
    assert B.is_apart_from(Key("processor", "A"))
    assert Key("processor", "A").is_apart_from(B_RETAIL)
    assert not B.is_apart_from(RETAIL)
    assert not ALL.is_apart_from(B)


def test_the_week_begins_on_monday() -> None:
    monday = 1_772_409_600 // 60
    assert hour_of_week(monday) == 0
    assert hour_of_week(monday - 1) == 167


def test_an_hour_without_history_of_its_own_leans_on_the_same_hour_of_other_days() -> None:
    monday_3h = 1_772_409_600 // 3600 + 3
    rows = [
        (monday_3h, ALL, 60, Count(6000, 3000, 0.0, 0.0, {})),
        (monday_3h + 1, ALL, 60, Count(6000, 5400, 0, 0, {})),
    ]
    profile = build(rows, [ALL], [])
    tuesday_3h, tuesday_4h = 27, 28
    assert profile.approval[0, tuesday_3h] < 0.52
    assert profile.approval[0, tuesday_4h] > 0.88
    assert profile.per_minute[0, tuesday_3h] == 100

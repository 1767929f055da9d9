"""What fills Postgres for the gold benchmark draws as often as it should, and its readers count what they see."""

from collections import Counter

from benchmarks.gold_readers import Seen, rows
from benchmarks.gold_rows import HUNDREDTHS, _choices, _weighted
from domain.contracts import reference


def test_a_hundred_picks_hold_each_name_as_often_as_its_share() -> None:
    assert Counter(_weighted({"a": 0.48, "b": 0.36, "c": 0.16})) == {"a": 48, "b": 36, "c": 16}
    assert len(_weighted({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})) == HUNDREDTHS
    assert len(_weighted({"a": 0.999, "b": 0.999})) == HUNDREDTHS


def test_every_pick_of_a_country_goes_with_its_currency() -> None:
    picked = _choices()
    currencies = {country["code"]: country["currency"] for country in reference()["countries"]}
    for code, currency in zip(picked["countries"], picked["currencies"], strict=True):
        assert currencies[code] == currency
    assert {len(picked[name]) for name in ("issuers", "units", "rates", "segments", "networks")} == {HUNDREDTHS}


def test_readers_tell_percentiles_by_endpoint_and_together() -> None:
    seen = Seen()
    seen.answers["a"] += [1.0, 3.0]
    seen.answers["b"] += [5.0]
    assert seen.count == 3
    assert seen.figures()["all"]["max_ms"] == 5.0
    assert [(row[0], row[1], row[2]) for row in rows(seen)] == [("all", 3, 3.0), ("a", 2, 2.0), ("b", 1, 5.0)]

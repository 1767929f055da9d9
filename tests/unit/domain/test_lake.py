"""The contract of the lake names tables and hours that fit together."""

import tomllib
from datetime import UTC, date, datetime
from importlib.resources import files

import pytest

from domain.contracts import topics
from domain.lake import is_over, keeping, sizes
from domain.windows import windows

NAMED = tomllib.loads((files("contracts") / "lake.toml").read_text(encoding="utf-8"))["tables"]
STREAMED = {name for topic in topics().values() for name in (topic.bronze, topic.silver)}
REWRITTEN = {"fraud_scores", *(window.delta for window in windows().values())}


def test_every_table_that_a_job_writes_is_named_and_no_other() -> None:
    assert NAMED.keys() == STREAMED | REWRITTEN | {"dead_letters", "messages_enriched"}


@pytest.mark.parametrize("name", sorted(REWRITTEN))
def test_what_late_purchases_rewrite_leaves_no_files_behind_for_long(name: str) -> None:
    assert keeping(name).vacuum_hours <= 24


def test_bronze_is_promised_a_week_and_silver_thirty_days() -> None:
    for topic in topics().values():
        assert keeping(topic.bronze).vacuum_hours == 168
        assert keeping(topic.silver).vacuum_hours == 720


def test_everything_that_came_in_is_archived_before_it_leaves() -> None:
    for topic in topics().values():
        assert keeping(topic.bronze).archive
        assert keeping(topic.bronze).retention_days == 90


@pytest.mark.parametrize("name", [*NAMED, "some_other"])
def test_no_version_is_promised_longer_than_its_files(name: str) -> None:
    assert 0 < keeping(name).log_hours <= keeping(name).vacuum_hours


def test_a_table_nobody_named_has_the_defaults() -> None:
    assert keeping("some_other").cluster == ()
    assert keeping("some_other").retention_days == 90


def test_a_day_expires_when_it_is_older_than_the_retention() -> None:
    noon = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert keeping("some_other").first_day_kept(noon) == date(2025, 12, 31)


def test_a_day_is_over_some_time_after_midnight() -> None:
    day = date(2026, 3, 31)
    assert not is_over(day, datetime(2026, 4, 1, sizes().settle_hours - 1, 59, tzinfo=UTC))
    assert is_over(day, datetime(2026, 4, 1, sizes().settle_hours, 0, tzinfo=UTC))

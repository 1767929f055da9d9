"""What is asked of `reprocess` is checked before anything is touched."""

from datetime import date

import pytest
import typer

from spark_jobs.reprocessing.command import asked
from spark_jobs.reprocessing.outcome import Differences, Outcome


def test_both_days_belong_to_the_range() -> None:
    days, tables = asked(date(2026, 2, 27), date(2026, 3, 1), "silver, gold")
    assert list(days) == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert tables == ("silver", "gold")


@pytest.mark.parametrize(
    ("last", "tables", "complaint"),
    [(date(2026, 2, 26), "silver", "before --from"), (date(2026, 3, 1), "silver,bronze", "unknown: bronze")],
)
def test_what_cannot_be_meant_is_refused(last: date, tables: str, complaint: str) -> None:
    with pytest.raises(typer.BadParameter, match=complaint):
        asked(date(2026, 2, 27), last, tables)


def test_an_outcome_says_what_differed() -> None:
    day = date(2026, 3, 1)
    assert str(Outcome("t", day, 5, 6, Differences(missing=1))) == "2026-03-01 t: 6 rows, missing 1, extra 0, changed 0"
    assert str(Outcome("t", day, 5, 5, Differences())) == "2026-03-01 t: 5 rows, agrees"

"""What people read."""

from datetime import date

from spark_jobs.maintenance.status import TableStatus, as_text


def test_the_columns_line_up_and_large_numbers_can_be_read() -> None:
    text = as_text(
        [
            TableStatus("payments_raw_bronze", 12, 3, 1_234_567, 890, 40, 41, date(2026, 3, 1), date(2026, 3, 2)),
            TableStatus("t", 1, 0, 5, 1, 0, 1, None, None),
        ]
    )
    lines = text.splitlines()
    assert "1,234,567" in lines[1]
    assert lines[2].endswith("-")
    assert len({len(line) for line in lines}) == 1

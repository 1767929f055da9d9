"""When files are merged, and when a day is ordered."""

from datetime import UTC, date, datetime, timedelta

from domain.lake import keeping, sizes
from spark_jobs.maintenance.compaction import needs_clustering, needs_compaction, target_bytes
from spark_jobs.maintenance.tables import DataFile, KeptTable, by_day

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KB = 1024
MOST = 1024 * KB


def file(size: int, written_at: datetime = NOON, day: date = DAY) -> DataFile:
    return DataFile(f"{size}-{written_at}", size, 1, written_at, day)


def table(name: str) -> KeptTable:
    return KeptTable(name, "/lake", keeping(name))


def test_a_few_small_files_are_left_alone() -> None:
    few = [file(KB)] * (sizes().least_small_files - 1)
    assert not needs_compaction(few, sizes().compacted_bytes)
    assert needs_compaction([*few, file(KB)], sizes().compacted_bytes)


def test_large_files_do_not_count() -> None:
    large = [file(sizes().compacted_bytes)] * 100
    assert not needs_compaction(large, sizes().compacted_bytes)


def test_a_day_that_goes_on_is_merged_to_smaller_files_than_one_that_is_over() -> None:
    bronze = table("payments_raw_bronze")
    assert target_bytes(bronze, DAY, NOON) == sizes().compacted_bytes
    assert target_bytes(bronze, DAY, NOON + timedelta(days=1)) == sizes().clustered_bytes


def test_a_day_that_will_be_clustered_is_not_made_large_twice() -> None:
    assert target_bytes(table("transactions_silver"), DAY, NOON + timedelta(days=1)) == sizes().compacted_bytes


def test_a_day_is_clustered_once() -> None:
    assert needs_clustering([file(KB)], None, MOST)
    assert not needs_clustering([file(KB)], NOON, MOST)


def test_a_day_that_grew_a_little_is_left_and_one_that_grew_much_is_clustered_again() -> None:
    later = NOON + timedelta(hours=3)
    assert not needs_clustering([file(100 * KB), file(5 * KB, later)], NOON, MOST)
    assert needs_clustering([file(100 * KB), file(50 * KB, later)], NOON, MOST)


def test_a_day_that_is_too_large_to_sort_stays_as_it_came() -> None:
    assert not needs_clustering([file(MOST), file(KB)], None, MOST)


def test_days_are_sorted_and_files_keep_their_order() -> None:
    early, late = NOON, NOON + timedelta(hours=1)
    files = [file(1, late), file(2, early), file(3, early, date(2026, 2, 1))]
    assert [(day, [one.size for one in found]) for day, found in by_day(files).items()] == [
        (date(2026, 2, 1), [3]),
        (DAY, [2, 1]),
    ]

"""Appends that may be repeated."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from local.repository import ROOT
from spark_jobs.lake import BatchIdentity, Lake


def rows(*numbers: int) -> pa.Table:
    return pa.table({"n": pa.array(numbers, pa.int64()), "day": pa.array(["a"] * len(numbers))})


def stored(folder: Path) -> list[int]:
    return sorted(DeltaTable(str(folder / "t")).to_pyarrow_table().column("n").to_pylist())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_batches_of_a_stream_add_up(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    lake.append("t", rows(2), BatchIdentity("s", 1), "day")
    assert stored(tmp_path) == [1, 2]


def test_a_batch_that_comes_again_is_skipped(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    assert stored(tmp_path) == [1]


def test_a_batch_that_comes_again_after_a_restart_is_skipped(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 4), "day")
    Lake(str(tmp_path)).append("t", rows(1), BatchIdentity("s", 4), "day")
    assert stored(tmp_path) == [1]


def test_another_stream_has_batch_numbers_of_its_own(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 9), "day")
    lake.append("t", rows(2), BatchIdentity("other", 0), "day")
    assert stored(tmp_path) == [1, 2]


def test_two_processes_that_finish_the_same_batch_add_it_once(tmp_path: Path) -> None:
    first, second = Lake(str(tmp_path)), Lake(str(tmp_path))
    for lake in (first, second):
        lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    for lake in (first, second):
        lake.append("t", rows(2), BatchIdentity("s", 1), "day")
    assert stored(tmp_path) == [1, 2]


def test_an_empty_batch_commits_nothing(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(), BatchIdentity("s", 0), "day")
    assert not (tmp_path / "t").exists()


def test_a_writer_that_slept_goes_on_after_the_log_was_cleaned(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    for batch in range(3):
        Lake(str(tmp_path)).append("t", rows(2), BatchIdentity("other", batch), "day")
    table = DeltaTable(str(tmp_path / "t"))
    table.create_checkpoint()
    for version in range(table.version()):
        (tmp_path / "t" / "_delta_log" / f"{version:020}.json").unlink()
    monkeypatch.setattr("spark_jobs.lake._ASLEEP_SECONDS", -1.0)
    lake.append("t", rows(3), BatchIdentity("s", 1), "day")
    assert stored(tmp_path) == [1, 2, 2, 2, 3]


def test_a_writer_notices_what_another_one_committed(lake: Lake, tmp_path: Path) -> None:
    lake.append("t", rows(1), BatchIdentity("s", 0), "day")
    Lake(str(tmp_path)).append("t", rows(2), BatchIdentity("other", 0), "day")
    lake.append("t", rows(3), BatchIdentity("s", 1), "day")
    assert stored(tmp_path) == [1, 2, 3]


def test_tables_are_opened_and_made_in_one_place_so_that_every_job_finds_an_object_store() -> None:
    jobs = ROOT / "spark_jobs"
    opening = re.compile(r"\bDeltaTable\(|DeltaTable\.(create|is_deltatable)\(|write_deltalake\(\s*(f?[\"']|str\()")
    assert [file for file in jobs.rglob("*.py") if opening.search(file.read_text())] == [jobs / "lake.py"]

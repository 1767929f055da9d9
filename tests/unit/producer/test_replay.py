"""Replay: files, mappings, timing and rejects."""

import csv
import json
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from producer.errors import ProducerError
from producer.events import CHECKOUTS, PAYMENTS, Event
from producer.mapping import RecordMapping, read_mapping
from producer.progress import Progress
from producer.replay import Rejects, Timing, parse_speed, replayed_events
from producer.rows import RowFile

ROWS = [
    {"id": "t1", "user_id": 5, "amount": 12.5, "merchant": "Shop", "timestamp": "2026-03-01T12:00:00Z"},
    {"id": "t2", "user_id": 6, "amount": 99, "merchant": "Shop", "timestamp": "2026-03-01T12:00:10Z"},
]
MAPPED = {"id": "transaction_id"}
CONSTANTS = {"is_fraud": "no", "payment_method": "paypal", "location": "Berlin, Germany", "device_id": "d"}
NOW_MS = 1_800_000_000_000


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
    return path


def replay(path: Path, timing: Timing = "original", speed: float | None = None) -> tuple[list[Event], str, Path]:
    out, rejects_file = StringIO(), path.with_name("rejects.csv")
    with ExitStack() as open_things:
        file = RowFile(path)
        rejects = Rejects(rejects_file, Progress(out), open_things)
        mapping = RecordMapping(CHECKOUTS, file.columns(), MAPPED, CONSTANTS)
        events = list(replayed_events(file, mapping, rejects, NOW_MS, timing, speed))
        rejects.summary()
    return events, out.getvalue(), rejects_file


@pytest.mark.parametrize("name", ["my.csv", "my.jsonl", "my.parquet"])
def test_each_kind_of_file_gives_the_same_events(tmp_path: Path, name: str) -> None:
    events, said, _ = replay(write(tmp_path / name, ROWS))

    assert said == ""
    assert [event.key for event in events] == ["t1", "t2"]
    assert events[0].record == {
        "transaction_id": "t1",
        "user_id": 5,
        "amount": 12.5,
        "merchant": "Shop",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "is_fraud": False,
        "payment_method": "paypal",
        "location": "Berlin, Germany",
        "device_id": "d",
    }


def test_rows_that_cannot_be_mapped_are_named_with_column_and_reason_and_the_good_ones_are_sent(tmp_path: Path) -> None:
    bad = [ROWS[0] | {"amount": "abc", "user_id": ""}, ROWS[1], ROWS[0] | {"timestamp": "soon"}]
    events, said, rejects = replay(write(tmp_path / "my.csv", bad))

    assert [event.key for event in events] == ["t2"]
    assert "row 2, column amount: 'abc' is not a number" in said
    assert "2 rows could not be mapped" in said
    with rejects.open(encoding="utf-8", newline="") as file:
        assert [(line["row"], line["column"]) for line in csv.DictReader(file)] == [
            ("2", "user_id"),
            ("2", "amount"),
            ("4", "timestamp"),
        ]


def test_lines_that_are_no_rows_are_rejected_too(tmp_path: Path) -> None:
    path = write(tmp_path / "my.jsonl", ROWS)
    path.write_text(path.read_text() + "{broken\n[1]\n", encoding="utf-8")
    events, said, _ = replay(path)

    assert len(events) == 2
    assert "not JSON" in said
    assert "not a JSON object" in said


def test_only_the_first_twenty_flaws_are_shown(tmp_path: Path) -> None:
    _, said, rejects = replay(write(tmp_path / "my.csv", [ROWS[0] | {"amount": "x"}] * 30))

    assert said.count("is not a number") == 20
    assert "10 more" in said
    assert len(rejects.read_text().splitlines()) == 31


def test_original_times_are_kept_and_the_pace_is_rescaled(tmp_path: Path) -> None:
    events, _, _ = replay(write(tmp_path / "my.csv", ROWS), speed=10.0)

    assert [event.due_ms - NOW_MS for event in events] == [0, 1000]
    assert events[1].record["timestamp"] == "2026-03-01T12:00:10.000Z"


def test_with_timing_now_events_happen_when_they_are_due(tmp_path: Path) -> None:
    events, _, _ = replay(write(tmp_path / "my.csv", ROWS), timing="now", speed=10.0)

    assert [event.event_time_ms for event in events] == [NOW_MS, NOW_MS + 1000]
    assert events[1].record["timestamp"] == "2027-01-15T08:00:01.000Z"


def test_a_column_that_does_not_exist_is_named_with_its_nearest_match() -> None:
    with pytest.raises(ProducerError, match=r"no column 'amonut' in the file; did you mean 'amount'\?.*user_id"):
        RecordMapping(CHECKOUTS, list(ROWS[0]), {"amonut": "amount"}, {})


def test_a_field_that_does_not_exist_is_named_with_its_nearest_match() -> None:
    with pytest.raises(ProducerError, match="did you mean 'is_fraud'"):
        RecordMapping(CHECKOUTS, list(ROWS[0]), {"id": "isfraud"}, {})


def test_required_fields_without_a_column_are_listed_with_what_to_do() -> None:
    with pytest.raises(ProducerError, match=r"transaction_id, is_fraud.*--map COLUMN=transaction_id.*--set"):
        RecordMapping(CHECKOUTS, list(ROWS[0]), {}, {})


def test_optional_fields_need_no_column() -> None:
    columns = ["event_id", "transaction_id", "event_timestamp"]
    with pytest.raises(ProducerError) as refused:
        RecordMapping(PAYMENTS, columns, {}, {})

    assert "is_approved" in str(refused.value)
    assert "decline_reason" not in str(refused.value)


def test_a_mapping_file_is_overridden_by_options(tmp_path: Path) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text('[columns]\nid = "device_id"\ntotal = "amount"\n[constants]\nis_fraud = false\n', encoding="utf-8")

    assert read_mapping(["id=transaction_id"], ["location=X=Y"], file) == (
        {"id": "transaction_id", "total": "amount"},
        {"is_fraud": False, "location": "X=Y"},
    )


@pytest.mark.parametrize("text", ["[colums]\n", "not toml"])
def test_a_mapping_file_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mapping.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(ProducerError, match="--mapping"):
        read_mapping([], [], file)


def test_files_that_cannot_be_read_are_refused_plainly(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"nonsense")
    (tmp_path / "empty.csv").write_text("")

    with pytest.raises(ProducerError, match="There is no file"):
        RowFile(tmp_path / "absent.csv")
    with pytest.raises(ProducerError, match="must end in"):
        RowFile(tmp_path / "my.xlsx")
    with pytest.raises(ProducerError, match="cannot be read"):
        RowFile(tmp_path / "broken.parquet").columns()
    with pytest.raises(ProducerError, match="no rows"):
        RowFile(tmp_path / "empty.csv").columns()


def test_a_speed_is_a_factor() -> None:
    assert (parse_speed("10x"), parse_speed("0.5"), parse_speed(None)) == (10.0, 0.5, None)
    with pytest.raises(ProducerError, match="10x"):
        parse_speed("fast")

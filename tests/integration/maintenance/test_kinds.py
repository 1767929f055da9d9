"""Maintenance of every kind of table that the jobs write: their columns, their way of writing, and nulls."""

import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from domain.windows import HOUR_US, Window, instant, micros, windows
from spark_jobs.fraud import scoring
from spark_jobs.lake import BatchIdentity, Lake, open_table
from spark_jobs.maintenance.rounds import STEPS, Round
from spark_jobs.maintenance.settings import MaintenanceSettings
from spark_jobs.maintenance.tables import data_files
from spark_jobs.messages import enrichment
from spark_jobs.windows import gold

from .conftest import TODAY
from .programs import MAINTAINER, start

DAY = TODAY - timedelta(days=2)
FILES = 12
HOURLY = windows()["users_1h"]
REPLACEMENTS = 80

DATED = pa.field("event_date", pa.date32())
LETTERS = pa.schema([("topic", pa.string()), ("reason", pa.string()), ("value", pa.binary()), ("date", pa.date32())])
APPENDED = {
    "fraud_scores": scoring.SCHEMA.append(DATED),
    "messages_enriched": enrichment.SCHEMA.append(DATED),
    "dead_letters": LETTERS,
}


def test_tables_of_every_kind_are_merged_and_ordered_and_keep_their_rows(settings: MaintenanceSettings) -> None:
    for name, schema in APPENDED.items():
        for number in range(FILES):
            Lake(settings.lake_uri).append(name, _row(schema, number), BatchIdentity("s", number), schema.names[-1])
    for window in windows().values():
        for number in range(FILES):
            replace(settings.lake_uri, window, [_start(number)], number)
    names = [*APPENDED, *(window.delta for window in windows().values())]
    before = {name: _stored(settings.lake_uri, name) for name in names}
    assert {len(rows) for rows in before.values()} == {FILES}
    assert Round(settings).run(STEPS) == 0
    assert {name: len(data_files(open_table(settings.lake_uri, name))) for name in names} == dict.fromkeys(names, 1)
    assert {name: _stored(settings.lake_uri, name) for name in names} == before


def test_windows_replaced_beside_a_compaction_are_there_once_and_as_last_written(tmp_path: Path) -> None:
    chance, lake = Random(5), str(tmp_path / "lake")
    replace(lake, HOURLY, [_start(0)], 0)
    expected = {_start(0): 0}
    maintainer = start(MAINTAINER, lake)
    try:
        for number in range(1, REPLACEMENTS):
            starts = {_start(number), _start(chance.randrange(max(0, number - 20), number))}
            replace(lake, HOURLY, sorted(starts), number)
            expected |= dict.fromkeys(starts, number)
        _see_another_round(maintainer)
    finally:
        maintainer.kill()
        maintainer.wait()
    table = open_table(lake, HOURLY.delta)
    rows = table.to_pyarrow_table(columns=["window_start", "transactions"]).to_pylist()
    found = sorted((micros(row["window_start"]), row["transactions"]) for row in rows)
    assert found == sorted(expected.items())
    assert any(one["operation"] == "OPTIMIZE" for one in table.history())


def replace(lake_uri: str, window: Window, starts: list[int], number: int) -> None:
    """Write windows of one row each, with this number as their count."""
    schema = gold.schema(window)
    rows = pa.concat_tables([_row(schema, number) for _ in starts])
    columns = {
        "date": [instant(start).date() for start in starts],
        "window_start": [instant(start) for start in starts],
        "window_end": [instant(start + window.width_us) for start in starts],
        "transactions": [number] * len(starts),
    }
    for name, values in columns.items():
        at = schema.get_field_index(name)
        rows = rows.set_column(at, schema.field(at), pa.array(values, schema.field(at).type))
    gold.GoldTables(lake_uri).replace(window, starts, rows)


def _see_another_round(maintainer: subprocess.Popen[str]) -> None:
    assert maintainer.stdout is not None
    while maintainer.stdout.readline() != "round\n":
        assert maintainer.poll() is None


def _start(number: int) -> int:
    return micros(datetime.combine(DAY, datetime.min.time(), UTC)) + number * HOUR_US


def _row(schema: pa.Schema, number: int) -> pa.Table:
    return pa.table({field.name: pa.array([_value(field.type, number)], field.type) for field in schema}, schema)


def _value(kind: pa.DataType, number: int) -> Any:
    """Some value of a type; texts are null now and then."""
    if pa.types.is_date(kind):
        return DAY
    if pa.types.is_timestamp(kind):
        return datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(minutes=number * 37 % 60)
    if pa.types.is_list(kind):
        return [f"value {number % 3}"]
    if pa.types.is_boolean(kind):
        return number % 2 == 0
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return number * 79 % 100
    if pa.types.is_binary(kind):
        return bytes([number])
    return f"text {number * 5 % FILES}" if number % 4 else None


def _stored(lake_uri: str, name: str) -> list[str]:
    rows: list[dict[str, date | None]] = open_table(lake_uri, name).to_pyarrow_table().to_pylist()
    return sorted(repr(sorted(row.items())) for row in rows)

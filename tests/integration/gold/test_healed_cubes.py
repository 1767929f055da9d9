"""Reprocessing finds every cube that does not add up to its rows, and only those, and makes it agree."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

from domain.contracts import topics
from spark_jobs.reprocessing.live import LiveDays, Span, folder_of
from spark_jobs.stream.cubes import CUBES
from spark_jobs.stream.detail import PAYMENTS
from tests.integration.gold import simulated
from tests.integration.gold.conftest import Warehouse
from tests.integration.gold.simulated import Row

TOPIC = topics()["payments.transactions"]


def rebuilt(payments: list[Row], folder: Path) -> Path:
    """The rows as reprocessing finds them, by hour."""
    ordered = sorted(payments, key=lambda row: row["event_timestamp"])
    for (day, hour), rows in groupby(ordered, lambda row: (row["event_timestamp"].date(), row["event_timestamp"].hour)):
        place = folder_of(folder, Span(day, hour))
        place.mkdir(parents=True)
        pq.write_table(simulated.as_table(PAYMENTS, list(rows)), place / "rows.parquet")
    return folder


def cubes(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        cube.name: connection.execute(f"select * from live.{cube.name} one order by one::text".encode()).fetchall()
        for cube in CUBES
    }


def test_damaged_cubes_are_healed_and_sound_ones_left_alone(empty_warehouse: Warehouse, tmp_path: Path) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    payments, checkouts = simulated.events(9, 300, noon, rate=0.1)
    payments = [row for row in payments if row["event_timestamp"].date() == noon.date()]
    payments += simulated.strange(payments)
    for offset, row in enumerate(payments):
        row["source_offset"] = offset
    with empty_warehouse.connect("stream") as stream:
        simulated.write(stream, payments, checkouts)
        days = LiveDays(stream, TOPIC, {0: (0, len(payments))}, rebuilt(payments, tmp_path))
        sound = cubes(stream)
        assert all(sound.values())
        assert not days.compare(noon.date())[0].differences

        for cube in CUBES:
            measure = next(iter(cube.measures))
            stream.execute(f"update live.{cube.name} set {measure} = {measure} + 1".encode())
        version = stream.execute("select sum(version) from live.payment_hours").fetchone()
        assert days.heal(noon.date())[0].differences
        assert cubes(stream) == sound
        assert stream.execute("select sum(version) from live.payment_hours").fetchone() != version
        assert not days.compare(noon.date())[0].differences

"""A light world for training: the simulator's purchases straight into Delta tables, with neither Kafka nor Spark.

The tables hold the columns of Silver and fraud_scores that training reads, and the simulator's truth beside them.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from domain.contracts import avro_schema
from domain.history import Purchase
from ml.datasets.history import HISTORY_SCHEMA, HistoryFold
from ml.errors import MlError
from ml.world.truth import SCHEMA as TRUTH_SCHEMA
from ml.world.truth import TRUTH, TruthWitness
from producer.events import CHECKOUTS, PAYMENTS, Event
from producer.incidents import Incident
from producer.schedule import Schedule
from producer.simulator import Scenario, Simulator

Say = Callable[[str], None]
_INSTANT = pa.timestamp("us", "UTC")
_TYPES = {"string": pa.string(), "double": pa.float64(), "boolean": pa.bool_(), "int": pa.int32()}
_DATED = {"event_date": pa.date32()}
_SEEN = {"event_timestamp": _INSTANT, "city": pa.string(), "country": pa.string()}
_DAY = timedelta(days=1)


def _fields(topic: str) -> dict[str, pa.DataType]:
    """The fields of a topic's records as Silver types them."""
    kinds = {one["name"]: one["type"] for one in avro_schema(topic)["fields"]}
    plain = {name: kind[1] if isinstance(kind, list) else kind for name, kind in kinds.items()}
    return {name: _INSTANT if isinstance(kind, dict) else _TYPES[kind] for name, kind in plain.items()}


SCHEMAS = {
    "payments_enriched_silver": pa.schema(list({**_fields(PAYMENTS), **_DATED}.items())),
    "transactions_silver": pa.schema(list({**_fields(CHECKOUTS), **_SEEN, **_DATED}.items())),
    "fraud_scores": pa.schema(
        [("transaction_id", pa.string()), ("event_timestamp", _INSTANT), *HISTORY_SCHEMA, *_DATED.items()]
    ),
    TRUTH: TRUTH_SCHEMA,
}


@dataclass(frozen=True)
class Month:
    """Which world is written: `days` that end with the day before `until`, UTC."""

    until: date
    days: int = 30
    purchases_per_day: int = 20_000
    customers: int = 20_000
    merchants: int = 400
    seed: int = 20
    incidents: tuple[Incident, ...] = ()

    def scenario(self) -> Scenario:
        """The simulation; without bad events, which Silver would not hold."""
        start = datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC) - self.days * _DAY
        rate = self.purchases_per_day / _DAY.total_seconds()
        length = self.days * _DAY.total_seconds()
        schedule = Schedule(rate, int(start.timestamp() * 1000), "daily", length)
        behind = int(length * 1000)
        return Scenario(
            self.seed, schedule, "month", self.customers, self.merchants, {}, self.incidents, clock_behind_ms=behind
        )


def write_month(month: Month, lake: Path, say: Say) -> None:
    """Make a lake of this world where there is none yet. A run that is killed leaves nothing at `lake`."""
    if lake.exists() and any(lake.iterdir()):
        raise MlError(f"{lake} holds something already: name another folder, or delete it.")
    building = lake.with_name(f"{lake.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    _Writer(building, month, say).write()
    if lake.exists():
        lake.rmdir()
    building.rename(lake)


@dataclass
class _Writer:
    folder: Path
    month: Month
    say: Say
    fold: HistoryFold = field(default_factory=HistoryFold)
    witness: TruthWitness = field(default_factory=TruthWitness)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    days_written: int = 0

    def write(self) -> None:
        day: date | None = None
        for event in Simulator(self.month.scenario(), self.witness):
            if event.topic not in (CHECKOUTS, PAYMENTS):
                continue
            at = datetime.fromtimestamp(event.event_time_ms / 1000, UTC)
            if day is not None and at.date() > day:
                self._flush()
            day = at.date() if day is None else max(day, at.date())
            self._add(event, at)
        self._flush()

    def _add(self, event: Event, at: datetime) -> None:
        dated = {"event_timestamp": at, "event_date": at.date()}
        if event.topic == PAYMENTS:
            self.rows["payments_enriched_silver"].append({**event.record, **dated})
            self.rows[TRUTH].append({"event_id": event.event_id, **dated, **self.witness.rows.pop(event.event_id)})
            return
        record = event.record
        city, _, country = record["location"].partition(",")
        self.rows["transactions_silver"].append({**record, **dated, "city": city.strip(), "country": country.strip()})
        known = self.fold.add(
            Purchase(record["user_id"], record["device_id"], record["merchant"], record["amount"], at)
        )
        self.rows["fraud_scores"].append({"transaction_id": record["transaction_id"], **dated, **known})

    def _flush(self) -> None:
        for name, schema in SCHEMAS.items():
            table = pa.Table.from_pylist(self.rows[name], schema)
            write_deltalake(self.folder / name, table, mode="append", partition_by=["event_date"], name=name)
            self.rows[name].clear()
        self.days_written += 1
        self.say(f"day {self.days_written} of {self.month.days} written")

"""Lays all accounts of a run side by side in one database: ledger, Kafka, lake and Postgres, each read apart."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import fastavro
import psycopg
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from domain.contracts import Topic, avro_schema, topics
from local.account import REASONS
from local.platform import Platform

TOPICS = list(topics().values())
TOPIC_NAMES = [topic.name for topic in TOPICS]
MESSAGES = "customer.messages"
DEAD_LETTERS = "dead_letters"
HEADER_BYTES = 5
MESSAGES_AT_ONCE = 10_000
PATIENCE_S = 30.0

_TYPES = {
    **dict.fromkeys(("partition", "source_partition"), pa.int32()),
    **dict.fromkeys(("offset", "source_offset", "batch_id"), pa.int64()),
    **dict.fromkeys(("key", "value"), pa.binary()),
    "event_timestamp": pa.timestamp("us", "UTC"),
}
"""Types of columns in the lake that are no text."""

_POSITIONS = pa.schema([("topic", pa.string()), ("partition", pa.int64()), ("offset", pa.int64())])
_MESSAGES = pa.schema([*_POSITIONS, ("key", pa.binary()), ("value", pa.binary())])
_REPETITIONS = pa.schema([*_POSITIONS, ("event_id", pa.string()), ("event_time_ms", pa.int64())])


@dataclass(frozen=True)
class Sources:
    """Where the four accounts lie."""

    ledger: Path
    """Folder of the producers' CSV files."""
    kafka: str
    lake: Path
    database_url: str
    """Of a role that may read live, ops and gold."""

    @classmethod
    def of(cls, platform: Platform) -> "Sources":
        site = platform.site
        return cls(site.data / "ledger", site.kafka, site.lake, site.database_url("dbt"))


def gather(sources: Sources) -> duckdb.DuckDBPyConnection:
    """A database with a table for each account.

    They are ledger, kafka, bronze, silver, letters, repetitions, live, batches, totals, counts, scores and
    live_scores. Each query of each stream process numbers its own batches: here each has a number of its own, and a row
    of the lake that of the batch which read its message, none if the number it bears says otherwise.
    """
    evidence = duckdb.connect()
    _read_ledger(evidence, sources.ledger)
    _keep(evidence, "kafka", read_kafka(sources.kafka))
    _read_lake(evidence, sources.lake)
    with psycopg.connect(sources.database_url) as connection:
        connection.execute("set timezone = 'UTC'")
        _read_postgres(evidence, connection)
    _name_batches(evidence)
    _keep(evidence, "repetitions", pa.Table.from_pylist(list(_repetitions(evidence)), schema=_REPETITIONS))
    return evidence


def wait_until_drained(sources: Sources, within: float) -> float:
    """Wait until Postgres and the lake hold as many messages as Kafka. Returns the seconds that took.

    Counts only, so that waiting costs next to nothing. Raises TimeoutError with the counts when it takes longer.
    """
    began = time.monotonic()
    sent = sum(high for _, _, high in watermarks(sources.kafka))
    while True:
        counts = _progress(sources)
        if counts == {**counts, **_drained(sent, counts)}:
            return time.monotonic() - began
        if time.monotonic() - began > within:
            raise TimeoutError(f"not drained within {within:.0f} s: Kafka holds {sent}, {counts}")
        time.sleep(0.5)


def watermarks(servers: str, names: Sequence[str] = TOPIC_NAMES) -> list[tuple[str, int, int]]:
    """Topic, partition and end offset of some topics, else of everything that the stream reads."""
    consumer = _consumer(servers)
    try:
        found = consumer.list_topics(timeout=PATIENCE_S).topics
        pairs = [(name, partition) for name in names for partition in sorted(found[name].partitions)]
        return [(name, n, consumer.get_watermark_offsets(TopicPartition(name, n), PATIENCE_S)[1]) for name, n in pairs]
    finally:
        consumer.close()


def read_alerts(servers: str) -> list[dict[str, Any]]:
    """Every alert of fraud.alerts, decoded here by itself."""
    name = "fraud.alerts"
    values = read_kafka(servers, [name]).column("value").to_pylist()
    schema = avro_schema(name)
    decoded: list[Any] = [fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), schema, None) for value in values]
    return decoded


def read_kafka(servers: str, names: Sequence[str] = TOPIC_NAMES) -> pa.Table:
    """Every message of some topics, else of all that the stream reads, from the first to the last there is now."""
    ends = watermarks(servers, names)
    remaining = sum(high for _, _, high in ends)
    consumer = _consumer(servers)
    consumer.assign([TopicPartition(name, partition, 0) for name, partition, _ in ends])
    batches = []
    try:
        while remaining > 0:
            messages = consumer.consume(min(MESSAGES_AT_ONCE, remaining), timeout=PATIENCE_S)
            if not messages:
                raise TimeoutError(f"Kafka gave nothing for {PATIENCE_S:.0f} s, {remaining} messages are missing")
            batches.append(pa.RecordBatch.from_pylist([_row(message) for message in messages], schema=_MESSAGES))
            remaining -= len(messages)
    finally:
        consumer.close()
    return pa.Table.from_batches(batches, schema=_MESSAGES)


def _row(message: Any) -> dict[str, Any]:
    if message.error():
        raise RuntimeError(f"Kafka refused to be read: {message.error()}")
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key(),
        "value": message.value(),
    }


def _consumer(servers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reconciliation",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "log_level": 2,
        }
    )


def _keep(evidence: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    evidence.register("arrived", rows)
    evidence.execute(f"create table {name} as select * from arrived")
    evidence.unregister("arrived")


def _read_ledger(evidence: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """One row per event identity: how many messages carried it, and what was to become of them.

    An event that Kafka did not acknowledge may have reached it all the same: `sure` counts without it.
    """
    evidence.execute(
        """
        create table ledger as
        select topic, event_id, event_time_ms::bigint as event_time_ms,
            count(*) filter (kind <> 'undelivered') as sent,
            count(*) filter (kind <> 'undelivered') - count(*) filter (kind = 'undelivered') as sure,
            bool_or(expect = 'dead_letter') as is_bad,
            any_value(kind) filter (expect = 'dead_letter') as kind,
            bool_or(is_approved = 'true') as is_approved
        from read_csv(?, header = true, all_varchar = true, union_by_name = true, quote = '"', escape = '"')
        group by all
        """,
        [str(folder / "*.csv")],
    )
    names = [(reason, kind) for kind, reasons in REASONS.items() for reason in reasons]
    evidence.execute("create table reason_kinds (reason text, kind text)")
    evidence.executemany("insert into reason_kinds values (?, ?)", names)


def _read_lake(evidence: duckdb.DuckDBPyConnection, lake: Path) -> None:
    columns = ["topic", "partition", "offset", "key", "value", "batch_id"]
    _keep(evidence, "bronze", pa.concat_tables([_table(lake, topic.bronze, columns) for topic in TOPICS]))
    _keep(evidence, "letters", _table(lake, DEAD_LETTERS, [*columns, "reason", "error"]))
    _keep(evidence, "silver", pa.concat_tables([_silver(lake, topic) for topic in TOPICS]))
    _keep(evidence, "arrived_scores", DeltaTable(str(lake / "fraud_scores")).to_pyarrow_table())
    evidence.execute(
        "create table scores as select *, epoch_ms(event_timestamp) as event_time_ms, "
        "array_to_string(rules_fired, ' ') as rules from arrived_scores"
    )


def _silver(lake: Path, topic: Topic) -> pa.Table:
    positions = ["source_partition", "source_offset", "batch_id"]
    rows = _table(lake, topic.silver, [topic.event_id, "event_timestamp", *positions])
    named = rows.rename_columns(["event_id", "event_timestamp", "partition", "offset", "batch_id"])
    at_ms = pa.compute.cast(named.column("event_timestamp"), pa.timestamp("ms", "UTC"), safe=False)
    named = named.set_column(1, "event_time_ms", pa.compute.cast(at_ms, pa.int64()))
    return named.append_column("topic", pa.repeat(pa.scalar(topic.name), named.num_rows))


def _table(lake: Path, name: str, columns: list[str]) -> pa.Table:
    """Columns of a table; no rows while nothing was ever written to it."""
    try:
        return DeltaTable(str(lake / name)).to_pyarrow_table(columns=columns)
    except TableNotFoundError:
        return pa.schema([(column, _TYPES.get(column, pa.string())) for column in columns]).empty_table()


def _read_postgres(evidence: duckdb.DuckDBPyConnection, connection: psycopg.Connection[Any]) -> None:
    instant = "(extract(epoch from event_timestamp) * 1000)::bigint"
    where = "source_partition as partition, source_offset as offset"
    batch = "batch_id * queries + place as batch_id"
    places = (
        f"(select query, row_number() over (order by bool_or(offsets ? '{MESSAGES}'), query) - 1 as place, "
        "count(*) over () as queries from ops.batches group by query) as places"
    )
    queries = {
        "live": f"select 'payments.transactions' as topic, event_id, {instant} as event_time_ms, {where} "
        f"from live.payments union all select 'ecommerce.transactions', transaction_id, {instant}, "
        "source_partition, source_offset from live.transactions "
        f"union all select '{MESSAGES}', message_id, {instant}, source_partition, source_offset "
        "from live.message_arrivals",
        "live_scores": f"select transaction_id, {instant} as event_time_ms, user_id, velocity_30m, score, risk_level, "
        "array_to_string(rules_fired, ' ') as rules, revision from live.fraud_scores",
        "batches": f"select {batch}, batch_id as number, topic.key as topic, partition.key::int as partition, "
        "(partition.value ->> 0)::bigint as first, (partition.value ->> 1)::bigint as last "
        f"from ops.batches join {places} using (query), jsonb_each(offsets) topic, jsonb_each(topic.value) partition",
        "totals": f"select {batch}, records, payments, transactions, messages, duplicates, dead_letters "
        f"from ops.batches join {places} using (query)",
        "counts": f"select {batch}, topic, reason, letters from ops.dead_letter_counts join {places} using (query)",
    }
    with TemporaryDirectory() as folder:
        for name, query in queries.items():
            file = Path(folder, f"{name}.csv")
            with (
                file.open("wb") as target,
                connection.cursor().copy(f"copy ({query}) to stdout (format csv, header)") as rows,
            ):
                target.writelines(rows)
            # An empty text comes in quotes, and is not what is unknown.
            evidence.execute(
                f"create table {name} as select * from read_csv(?, header = true, quote = '\"', escape = '\"', "
                "allow_quoted_nulls = false)",
                [str(file)],
            )


def _name_batches(evidence: duckdb.DuckDBPyConnection) -> None:
    for name in ("bronze", "letters", "silver"):
        evidence.execute(
            f"""
            create or replace table {name} as
            select {name}.* exclude (batch_id), batches.batch_id from {name} left join batches
            on batches.topic = {name}.topic and batches."partition" = {name}."partition"
                and batches.number = {name}.batch_id and {name}."offset" between batches.first and batches.last
            """
        )


def _repetitions(evidence: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """What is in Bronze, but neither in Silver nor a dead letter, decoded here by another library than the stream's."""
    rows = evidence.execute(
        """
        select topic, "partition", "offset", value from bronze
        anti join silver using (topic, "partition", "offset")
        anti join letters using (topic, "partition", "offset")
        """
    ).fetchall()
    for name, partition, offset, value in rows:
        topic = topics()[name]
        record: Any = fastavro.schemaless_reader(BytesIO(value[HEADER_BYTES:]), avro_schema(name), None)
        at = record[topic.event_time]
        instant = datetime.fromisoformat(at) if isinstance(at, str) else at
        yield {
            "topic": name,
            "partition": partition,
            "offset": offset,
            "event_id": record[topic.event_id],
            "event_time_ms": round(instant.timestamp() * 1000),
        }


def _drained(sent: int, counts: dict[str, int]) -> dict[str, int]:
    return {
        "committed": sent,
        "in bronze": sent,
        "in silver": counts["accepted"],
        "in dead letters": counts["dead"],
        "scored": counts["purchases"],
        "revisions on their way": 0,
    }


def _progress(sources: Sources) -> dict[str, int]:
    with psycopg.connect(sources.database_url) as connection:
        row = connection.execute(
            "select coalesce(sum(records), 0)::bigint, coalesce(sum(payments + transactions + messages), 0)::bigint, "
            "coalesce(sum(dead_letters), 0)::bigint, coalesce(sum(transactions), 0)::bigint, "
            "(select count(*) from live.fraud_score_revisions) from ops.batches"
        ).fetchone()
    committed, accepted, dead, purchases, revisions = row or (0, 0, 0, 0, 0)
    return {
        "committed": committed,
        "in bronze": sum(_rows(sources.lake, topic.bronze) for topic in TOPICS),
        "accepted": accepted,
        "in silver": sum(_rows(sources.lake, topic.silver) for topic in TOPICS),
        "dead": dead,
        "in dead letters": _rows(sources.lake, DEAD_LETTERS),
        "purchases": purchases,
        "scored": _rows(sources.lake, "fraud_scores"),
        "revisions on their way": revisions,
    }


def _rows(lake: Path, table: str) -> int:
    """Rows by the table's own log."""
    try:
        return sum(pa.table(DeltaTable(str(lake / table)).get_add_actions()).column("num_records").to_pylist())
    except TableNotFoundError:
        return 0

"""The record of a batch in Postgres: what came, what became of it, and how far the stream is."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import psycopg
import pyarrow.compute as pc

from spark_jobs.lake import BatchIdentity
from spark_jobs.stream.batch import Mask, TopicBatch
from spark_jobs.stream.detail import DETAIL, MESSAGES

Cursor = psycopg.Cursor[tuple[object, ...]]


def record(cursor: Cursor, parts: Sequence[TopicBatch], accepted: Mapping[str, Mask], identity: BatchIdentity) -> None:
    """Write what the batch did, and how far the stream has come; `accepted` marks, per topic, rows of `valid`."""
    counts = {DETAIL[name].name: int(mask.sum()) for name, mask in accepted.items()}
    valid = sum(part.valid.num_rows for part in parts)
    records = sum(part.messages.num_rows for part in parts)
    late = sum(int(np.sum(part.valid.column("is_late").to_numpy() & accepted[part.topic.name])) for part in parts)
    cursor.execute(
        "insert into ops.batches "
        "(query, batch_id, records, payments, transactions, messages, duplicates, dead_letters, late, offsets) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            identity.stream, identity.batch_id, records,
            counts.get("payments", 0), counts.get("transactions", 0), counts.get("message_arrivals", 0),
            valid - sum(counts.values()), records - valid, late, json.dumps(_offsets(parts)),
        ],
    )  # fmt: skip
    cursor.executemany(
        "insert into ops.expectation_results values (%s, %s, %s, %s, %s, %s, %s)",
        [
            (identity.stream, identity.batch_id, one.topic, one.name, one.action, one.passed, one.failed)
            for part in parts
            for one in part.expectation_results()
        ],
    )
    cursor.executemany(
        "insert into ops.dead_letter_counts values (%s, %s, %s, %s, %s)",
        [
            (identity.stream, identity.batch_id, part.topic.name, row["values"], row["counts"])
            for part in parts
            for row in pc.value_counts(part.dead_letters.column("reason")).to_pylist()
        ],
    )
    if any(DETAIL[part.topic.name] is not MESSAGES for part in parts):
        _advance(cursor, parts, identity)


def _advance(cursor: Cursor, parts: Sequence[TopicBatch], identity: BatchIdentity) -> None:
    """Say how far the money is: what customers write makes no KPI any fresher."""
    cursor.execute(
        "insert into live.progress as known values (%s, %s, %s, clock_timestamp()) on conflict (query) do update set "
        "batch_id = excluded.batch_id, committed_at = excluded.committed_at, "
        "newest_event_at = greatest(known.newest_event_at, excluded.newest_event_at)",
        [identity.stream, identity.batch_id, _newest(parts)],
    )


def announce(cursor: Cursor, parts: Sequence[TopicBatch], identity: BatchIdentity) -> None:
    """Write which messages the stream is about to store."""
    cursor.execute(
        "insert into ops.begun_batches as known (query, batch_id, offsets) values (%s, %s, %s) "
        "on conflict (query) do update set batch_id = excluded.batch_id, offsets = excluded.offsets, "
        "begun_at = excluded.begun_at where excluded.batch_id > known.batch_id",
        [identity.stream, identity.batch_id, json.dumps(_offsets(parts))],
    )


def _newest(parts: Sequence[TopicBatch]) -> object:
    newest = [pc.max(part.valid.column("event_timestamp")).as_py() for part in parts if part.valid.num_rows]
    return max(newest, default=None)


def _offsets(parts: Sequence[TopicBatch]) -> dict[str, dict[str, list[int]]]:
    """Per topic and partition the first and the last offset of the batch."""
    ranges: dict[str, dict[str, list[int]]] = {}
    for part in parts:
        grouped = part.messages.group_by("partition").aggregate([("offset", "min"), ("offset", "max")])
        ranges[part.topic.name] = {
            str(row["partition"]): [row["offset_min"], row["offset_max"]] for row in grouped.to_pylist()
        }
    return ranges

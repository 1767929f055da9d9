"""What a batch adds to each Delta table: Bronze as it came, Silver what was accepted, and the dead letters."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.fraud.expressions import EVENT_RULES
from spark_jobs.lake import BatchIdentity
from spark_jobs.stream.batch import Mask, TopicBatch

DEAD_LETTERS = "dead_letters"
FRAUD_SCORES = "fraud_scores"


@dataclass(frozen=True)
class Addition:
    """Rows for one Delta table."""

    table: str
    rows: pa.Table
    partition_by: str


def bronze(part: TopicBatch, identity: BatchIdentity, ingested_at: datetime) -> Addition:
    """Every message of the batch, bytes untouched; partitioned by the UTC date on which it reached Kafka."""
    rows = part.messages.select(["topic", "partition", "offset", "arrived_at", "key", "value"])
    return Addition(part.topic.bronze, _ingested(rows.rename_columns(_KAFKA_NAMES), identity, ingested_at), "date")


def silver(part: TopicBatch, accepted: Mask, identity: BatchIdentity) -> Addition:
    """The valid rows that were not seen before; partitioned by the UTC date of the event."""
    kept = [name for name in part.valid.column_names if name != EVENT_RULES]
    return Addition(
        part.topic.silver, _numbered(part.valid.select(kept).filter(pa.array(accepted)), identity), "event_date"
    )


def fraud_scores(scores: pa.Table, identity: BatchIdentity) -> Addition:
    """The scores of the batch's purchases; partitioned like Silver."""
    dated = scores.append_column("event_date", pc.cast(scores.column("event_timestamp"), pa.date32()))
    return Addition(FRAUD_SCORES, _numbered(dated, identity), "event_date")


def dead_letters(parts: list[TopicBatch], identity: BatchIdentity, ingested_at: datetime) -> Addition:
    """Every invalid message with its bytes, the reason and the error; partitioned like Bronze."""
    rows = pa.concat_tables([part.dead_letters for part in parts])
    return Addition(
        DEAD_LETTERS, _ingested(rows.rename_columns([*_KAFKA_NAMES, "reason", "error"]), identity, ingested_at), "date"
    )


_KAFKA_NAMES = ["topic", "partition", "offset", "kafka_timestamp", "key", "value"]


def _numbered(rows: pa.Table, identity: BatchIdentity) -> pa.Table:
    return rows.append_column("batch_id", pa.repeat(pa.scalar(identity.batch_id, pa.int64()), rows.num_rows))


def _ingested(rows: pa.Table, identity: BatchIdentity, at: datetime) -> pa.Table:
    stamped = rows.append_column("ingested_at", pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), rows.num_rows))
    return _numbered(stamped, identity).append_column("date", pc.cast(rows.column("kafka_timestamp"), pa.date32()))

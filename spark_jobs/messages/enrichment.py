"""Rows of Silver made into rows with what their texts mean. One bad text costs its own analysis and no other's."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ml.text.analysis import Analysis, analyse
from ml.text.entities import Gazetteer, mask
from ml.text.summary import Ollama
from spark_jobs.messages import metrics

MOST_CHARACTERS = 10_000
SILVER_COLUMNS = [
    "message_id",
    "event_timestamp",
    "transaction_id",
    "user_id",
    "channel",
    "language",
    "text",
    "arrived_at",
]
_INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    {
        "message_id": pa.string(),
        "event_timestamp": _INSTANT,
        "transaction_id": pa.string(),
        "user_id": pa.int32(),
        "channel": pa.string(),
        "claimed_language": pa.string(),
        "language": pa.string(),
        "language_confidence": pa.float64(),
        "sentiment": pa.string(),
        "sentiment_score": pa.float64(),
        "entities": pa.string(),
        "key_phrases": pa.list_(pa.string()),
        "summary": pa.string(),
        "summary_method": pa.string(),
        "text": pa.string(),
        "error": pa.string(),
        "arrived_at": _INSTANT,
        "enriched_at": _INSTANT,
        "batch_id": pa.int64(),
    }
)
PARTITION = "event_date"

Row = dict[str, Any]


@dataclass
class Enricher:
    """Analyses texts with the names to look for, and an LLM for long ones where there is one."""

    gazetteer: Gazetteer
    llm: Ollama | None = None
    llm_batch_seconds: float = 0.0
    analyse: Callable[[str, str | None, Gazetteer], Analysis] = analyse

    def enrich(self, rows: Iterable[Row], batch_id: int) -> list[Row]:
        """The rows of a batch, in the columns of SCHEMA."""
        ask_until = time.monotonic() + self.llm_batch_seconds
        return [self._enrich(row, batch_id, ask_until) for row in rows]

    def _enrich(self, row: Row, batch_id: int, ask_until: float) -> Row:
        enriched = dict.fromkeys(SCHEMA.names) | {
            **{name: row[name] for name in SILVER_COLUMNS if name not in ("language", "text")},
            "claimed_language": row["language"],
            "entities": "[]",
            "key_phrases": [],
            "enriched_at": datetime.now(UTC),
            "batch_id": batch_id,
        }
        text = row["text"].replace("\0", "")[:MOST_CHARACTERS]
        try:
            with metrics.TEXT_SECONDS.time():
                enriched |= self._meaning(text, row["language"], ask_until)
        except Exception as error:  # whatever it is, it must not hold up the messages behind it
            metrics.ERRORS.inc()
            enriched |= {"error": f"{type(error).__name__}: {mask(str(error))}"[:200], "text": _masked(text)}
        return enriched

    def _meaning(self, text: str, claimed: str | None, ask_until: float) -> Row:
        found = self.analyse(text, claimed, self.gazetteer)
        summary = found.summary
        if summary and self.llm and time.monotonic() < ask_until:
            summary = self.llm.summarise(found.text) or summary
        if summary:
            metrics.SUMMARIES.labels(summary.method).inc()
        return {
            "language": found.language,
            "language_confidence": found.language_confidence,
            "sentiment": found.sentiment.label,
            "sentiment_score": found.sentiment.score,
            "entities": json.dumps([asdict(entity) for entity in found.entities], ensure_ascii=False),
            "key_phrases": list(found.key_phrases),
            "summary": summary.text if summary else None,
            "summary_method": summary.method if summary else None,
            "text": found.text,
        }


def rows_of(batch: pa.Table) -> list[Row]:
    """Silver's rows as Python values; a text that is not UTF-8 is read as far as it goes."""
    texts = [(value or b"").decode(errors="replace") for value in batch.column("text").cast(pa.binary()).to_pylist()]
    others = batch.select([name for name in SILVER_COLUMNS if name != "text"]).to_pylist()
    return [{**row, "text": text} for row, text in zip(others, texts, strict=True)]


def lake_rows(rows: Iterable[Row]) -> pa.Table:
    """Rows as the table of the lake has them, with the day they belong to."""
    table = pa.Table.from_pylist(list(rows), SCHEMA)
    days = [moment.date() for moment in table.column("event_timestamp").to_pylist()]
    return table.append_column(PARTITION, pa.array(days, pa.date32()))


def _masked(text: str) -> str | None:
    """The masked text; nothing at all when masking is what failed."""
    try:
        return mask(text)
    except Exception:  # an unmasked text must not be stored, whatever went wrong
        return None

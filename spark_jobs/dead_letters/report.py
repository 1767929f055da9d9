"""Dead letters for people and for programs: counts, and a list with what became of each."""

import csv
import io
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from spark_jobs.dead_letters.letters import Position, positions

Format = Literal["table", "json", "csv"]
Sent = Mapping[Position, tuple[Position, datetime]]
_LONGEST_CELL = 60


def counts(letters: pa.Table, sent: Sent) -> list[dict[str, Any]]:
    """Letters per topic, reason and UTC day: how many, how many were sent again, how many of those came back."""
    there = set(positions(letters))
    keys = list(zip(*(letters.column(name).to_pylist() for name in ("topic", "reason", "date")), strict=True))
    total, again, back = Counter(keys), Counter[Any](), Counter[Any]()
    for key, position in zip(keys, positions(letters), strict=True):
        if position in sent:
            again[key] += 1
            back[key] += sent[position][0] in there
    names = ("topic", "reason", "day")
    return [
        dict(zip(names, map(str, key), strict=True)) | {"letters": n, "redriven": again[key], "came_back": back[key]}
        for key, n in sorted(total.items())
    ]


def entries(letters: pa.Table, sent: Sent, there: Collection[Position]) -> list[dict[str, Any]]:
    """One row per letter; `redriven` says where it was sent again, or that it came back from there."""
    return [
        {
            "position": str(position),
            "kafka_timestamp": row["kafka_timestamp"].isoformat(timespec="milliseconds"),
            "reason": row["reason"],
            "error": row["error"],
            "redriven": _redriven(position, sent, there),
        }
        for position, row in zip(positions(letters), letters.to_pylist(), strict=True)
    ]


def render(rows: Sequence[Mapping[str, Any]], form: Format) -> str:
    """The rows as a table for people, as JSON or as CSV."""
    if form == "json":
        return json.dumps(rows, indent=2)
    if not rows:
        return "" if form == "csv" else "no dead letters"
    if form == "csv":
        target = io.StringIO()
        writer = csv.DictWriter(target, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return target.getvalue().rstrip("\n")
    return _table(rows)


def _redriven(position: Position, sent: Sent, there: Collection[Position]) -> str:
    if position not in sent:
        return ""
    to = sent[position][0]
    return f"came back as {to}" if to in there else f"as {to}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def _cell(value: object) -> str:
    """On one line, and not too long."""
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"

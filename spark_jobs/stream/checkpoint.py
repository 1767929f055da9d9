"""What the checkpoint of a query says: which stream it is, and where its next batch begins."""

import json
from collections.abc import Mapping
from pathlib import Path

Positions = Mapping[str, Mapping[int, int]]
"""Per topic and partition the offset of the next message."""


def query_id(checkpoint: Path) -> str | None:
    """The id that Spark gave the query; None before its first start."""
    metadata = checkpoint / "metadata"
    return str(json.loads(metadata.read_text())["id"]) if metadata.is_file() else None


def next_positions(checkpoint: Path) -> Positions | None:
    """Where the batch begins that is run next, perhaps once more; None when none was planned yet."""
    planned = sorted(int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*") if file.name.isdigit())
    if not planned:
        return None
    newest = planned[-1]
    last_done = newest if (checkpoint / "commits" / str(newest)).is_file() else newest - 1
    if last_done in planned:
        _version, _settings, *sources = (checkpoint / "offsets" / str(last_done)).read_text().splitlines()
    else:
        sources = [_initial(file) for file in (checkpoint / "sources").glob("*/0")]
    found: dict[str, dict[int, int]] = {}
    for source in sources:
        for topic, positions in json.loads(source).items() if source != _NONE else ():
            found[topic] = {int(partition): offset for partition, offset in positions.items()}
    return found


_NONE = "-"
"""Stands for a source of which nothing was read yet."""


def _initial(file: Path) -> str:
    """The offsets at which a source began; a zero byte and a line with the version come before them."""
    return file.read_text().split("\n", 1)[1]

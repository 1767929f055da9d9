"""Writes docs/metrics.md from the models' YAML: what each view shows, in which unit, and how it is defined."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DBT = Path(__file__).parents[1]
TARGET = DBT.parent / "docs" / "metrics.md"

HEAD = """# Metrics

What every view of schema `gold` shows. Written by `python dbt/scripts/write_metrics.py` from `dbt/models`: change it
there.

Counts and sums may be added up over hours and dimensions and divided afterwards; rates are for single rows. Amounts in
US dollars use the fixed reporting rates of `contracts/reference.toml`. All times are UTC.
"""


def document() -> str:
    """The whole text of docs/metrics.md."""
    views = [model for path in sorted((DBT / "models" / "views").glob("v_*.yml")) for model in _read(path)["models"]]
    semantic = [_read(path) for path in sorted((DBT / "models" / "semantic").glob("*.yml"))]
    parts = [HEAD, *map(_view, views), _metrics([one for file in semantic for one in file["metrics"]])]
    return "\n".join(parts)


def _view(model: dict[str, Any]) -> str:
    description, grain = _split(model["description"])
    rows = (f"| `{one['name']}` | {one['data_type']} | {_cell(one['description'])} |" for one in model["columns"])
    return "\n".join(
        [
            f"## {model['name']}",
            "",
            description,
            "",
            f"Grain: {grain}",
            "",
            *_table("column", "type", "meaning"),
            *rows,
            "",
        ]
    )


def _metrics(metrics: list[dict[str, Any]]) -> str:
    rows = (
        f"| `{one['name']}` | {one['config']['meta']['unit']} | {_cell(one['description'])} "
        f"| {', '.join(one['config']['meta']['synonyms'])} |"
        for one in metrics
    )
    text = "What questions may ask for; `dbt/models/semantic` says from which columns."
    return "\n".join(
        ["## Metrics by name", "", text, "", *_table("metric", "unit", "meaning", "also called"), *rows, ""]
    )


def _split(description: str) -> tuple[str, str]:
    """What a model shows, and the sentence on its grain, which comes last."""
    shows, found, grain = description.rpartition("One row per ")
    if not found:
        raise ValueError(f"a description must end in 'One row per …': {description}")
    return shows.strip(), found + grain


def _table(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


def main() -> None:
    """Write the document over what is there."""
    TARGET.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()

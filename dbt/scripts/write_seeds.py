"""Writes dbt/seeds from contracts/reference.toml, so that views and stream read one taxonomy and one set of rates."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from domain.contracts import decline_reasons, reference
from domain.money import minor_unit_exponent

SEEDS = Path(__file__).parents[1] / "seeds"


def seeds() -> dict[str, str]:
    """The text of every seed by file name."""
    return {"currencies.csv": _currencies(), "decline_reasons.csv": _decline_reasons()}


def _currencies() -> str:
    rates = reference()["currencies"]
    codes = sorted(rates.keys() | reference()["minor_unit_exponents"].keys())
    rows = ((code, minor_unit_exponent(code), rates.get(code, "")) for code in codes)
    return _csv(("currency", "minor_unit_exponent", "usd_per_unit"), rows)


def _decline_reasons() -> str:
    rows = (
        (one.code, one.kind, one.recovery_rate, one.wait_minutes, one.meaning) for one in decline_reasons().values()
    )
    return _csv(("decline_reason", "kind", "recovery_rate", "wait_minutes", "meaning"), rows)


def _csv(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main() -> None:
    """Write all seeds over what is there."""
    for name, text in seeds().items():
        (SEEDS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Runs the SQL files of a revision."""

from pathlib import Path

from alembic import op

SQL = Path(__file__).parent / "sql"


def run(*names: str) -> None:
    """Execute files of sql/ in this order, on the driver's own connection: SQLAlchemy would take % for placeholders."""
    cursor = op.get_bind().connection.cursor()
    for name in names:
        cursor.execute((SQL / name).read_text(encoding="utf-8"))

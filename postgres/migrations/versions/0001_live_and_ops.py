"""Lay down the speed layer, the record of its work, and who may read and write them."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
BODY = ("0001_live_and_ops.sql", "0001_comments.sql", "0001_privileges.sql")


def upgrade() -> None:
    """Create schemas live, ops and gold with their tables, comments and privileges."""
    # The driver's own connection: SQLAlchemy would take the % of the function's body for placeholders.
    cursor = op.get_bind().connection.cursor()
    for name in BODY:
        cursor.execute((SQL / name).read_text(encoding="utf-8"))


def downgrade() -> None:
    """Refuse: going back from here would drop every payment."""
    raise RuntimeError("0001 is the first revision; to start anew, drop the database payments yourself")

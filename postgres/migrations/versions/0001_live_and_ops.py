"""Lay down the speed layer, the record of its work, and who may read and write them."""

from postgres.migrations import scripts

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create schemas live, ops and gold with their tables, comments and privileges."""
    scripts.run("0001_live_and_ops.sql", "0001_comments.sql", "0001_privileges.sql")


def downgrade() -> None:
    """Refuse: going back from here would drop every payment."""
    raise RuntimeError("0001 is the first revision; to start anew, drop the database payments yourself")

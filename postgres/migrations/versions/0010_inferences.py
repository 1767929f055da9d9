"""The record of what models answered."""

from postgres.migrations import scripts

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, its daily partitions' functions, and their privileges."""
    scripts.run("0010_inferences.sql")


def downgrade() -> None:
    """Refuse: it would drop the record."""
    raise RuntimeError("0010 cannot be undone without losing data; restore a backup instead")

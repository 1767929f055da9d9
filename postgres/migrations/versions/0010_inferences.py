"""What the models answered."""

from postgres.migrations import scripts

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the log of inferences and its privileges."""
    scripts.run("0010_inferences.sql")


def downgrade() -> None:
    """Refuse: it would drop the log."""
    raise RuntimeError("0010 cannot be undone without losing data; restore a backup instead")

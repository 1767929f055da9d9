"""Keep what customers write, and what it means."""

from postgres.migrations import scripts

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of customer messages."""
    scripts.run("0006_messages.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0006 cannot be undone without losing data; restore a backup instead")

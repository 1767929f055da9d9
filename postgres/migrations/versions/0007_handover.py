"""Keep what each stream has begun, so that another process can finish it."""

from postgres.migrations import scripts

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of begun batches."""
    scripts.run("0007_handover.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0007 cannot be undone without losing data; restore a backup instead")

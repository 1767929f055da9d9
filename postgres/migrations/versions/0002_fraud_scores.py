"""Keep the score of every purchase, and the history of customers, devices and merchants."""

from postgres.migrations import scripts

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create fraud scores and keyed history."""
    scripts.run("0002_fraud_scores.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0002 cannot be undone without losing data; restore a backup instead")

"""Keep the series that are watched and the anomalies found in them."""

from postgres.migrations import scripts

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the series and the anomalies."""
    scripts.run("0004_anomalies.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0004 cannot be undone without losing data; restore a backup instead")

"""Keep hourly aggregates for the gold views, and agents' recommendations."""

from postgres.migrations import scripts

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the index of known frauds, and count what is there already."""
    scripts.run("0008_cubes.sql", "0008_fill_cubes.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0008 cannot be undone without losing data; restore a backup instead")

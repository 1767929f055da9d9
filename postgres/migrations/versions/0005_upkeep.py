"""Record re-driven dead letters, maintenance of the lake and reprocessing."""

from postgres.migrations import scripts

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of upkeep."""
    scripts.run("0005_upkeep.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0005 cannot be undone without losing data; restore a backup instead")

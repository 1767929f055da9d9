"""The watch over the models: outcomes, hours, drift, and requests to train again."""

from postgres.migrations import scripts

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their privileges."""
    scripts.run("0011_watching.sql")


def downgrade() -> None:
    """Refuse: it would drop what was found."""
    raise RuntimeError("0011 cannot be undone without losing data; restore a backup instead")

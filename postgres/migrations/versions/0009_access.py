"""Keys of the API, the record of its requests, and what an analyst sees."""

from postgres.migrations import scripts

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create tables, the schema of analysts, and their privileges."""
    scripts.run("0009_access.sql")


def downgrade() -> None:
    """Refuse: it would drop keys and the record of requests."""
    raise RuntimeError("0009 cannot be undone without losing data; restore a backup instead")

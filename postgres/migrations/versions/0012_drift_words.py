"""What a row of ops.drift can be about."""

from postgres.migrations import scripts

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say it of the column."""
    scripts.run("0012_drift_words.sql")


def downgrade() -> None:
    """Nothing: the words are true of the table before as well."""

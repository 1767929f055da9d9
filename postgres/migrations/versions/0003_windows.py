"""Keep the live part of the windowed gold tables."""

from postgres.migrations import scripts

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the window tables."""
    scripts.run("0003_windows.sql")


def downgrade() -> None:
    """Refuse: it would drop what was kept since."""
    raise RuntimeError("0003 cannot be undone without losing data; restore a backup instead")

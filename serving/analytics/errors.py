"""Why figures could not be read, told apart because each asks for something else."""


class StoreUnavailable(Exception):
    """The figures cannot be read right now; the same request may succeed after `retry_after` seconds."""

    title = "Postgres is away"
    slug = "postgres-away"
    retry_after = 5


class StoreBusy(StoreUnavailable):
    """Every connection is in use, or the query ran into its time limit."""

    title = "Postgres is busy"
    slug = "postgres-busy"
    retry_after = 2


class TooManyRequests(StoreUnavailable):
    """More requests at once than can be answered soon."""

    title = "Too many requests at once"
    slug = "too-many-requests"
    retry_after = 1


class ViewsNotBuilt(StoreUnavailable):
    """The database answers, but the gold views (or a column of them) do not exist."""

    title = "Gold views are not built yet"
    slug = "gold-views-not-built"
    retry_after = 30


class NotMigrated(StoreUnavailable):
    """The database answers, but it lacks tables of a newer version."""

    title = "The database is not up to date"
    slug = "database-not-migrated"
    retry_after = 30

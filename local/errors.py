"""The one kind of failure this package reports: a sentence that says what to do."""


class LocalError(RuntimeError):
    """Something a person can put right; its text says how. Printed without a traceback."""

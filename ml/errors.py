"""Failures that a person can act on: the command line prints them without a traceback and exits with 1."""


class MlError(Exception):
    """What went wrong and what to do about it, in one sentence."""


class AwayError(MlError):
    """What is needed does not answer or cannot be read now: trying again may help."""

"""Why a caller was turned away."""


class Unauthorised(Exception):
    """No key where one is needed, or a key that does not count."""


class Forbidden(Exception):
    """The caller is known but may not do this."""

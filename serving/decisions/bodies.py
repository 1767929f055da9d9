"""Bodies of requests as they come: whole at once, or in parts, which are bounded alone and together."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from serving.analytics.errors import TooManyRequests

MOST_BODY_BYTES = 8 * 2**20
MOST_HELD_BYTES = 8 * MOST_BODY_BYTES
"""Of all bodies in parts that are under way."""


class TooLarge(Exception):
    """A body of more than MOST_BODY_BYTES."""


class HungUp(Exception):
    """The caller is gone before the request was complete."""


def whole(message: Message) -> bytes | None:
    """The body, when the first message of a request is all of it. Raises TooLarge."""
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    body: bytes = message.get("body", b"")
    if len(body) > MOST_BODY_BYTES:
        raise TooLarge
    return body


class Bodies:
    """All bodies in parts: each may be large, but not every one of them at once."""

    def __init__(self) -> None:
        self.held = 0

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """For one body, until its request is answered."""
        room = Room(self)
        try:
            yield room
        finally:
            self.held -= room.size


class Room:
    """What one body takes."""

    def __init__(self, bodies: Bodies) -> None:
        self.bodies = bodies
        self.size = 0

    async def filled(self, message: Message, receive: Receive) -> bytes:
        """The whole body. Raises TooLarge or TooManyRequests as soon as it is too much, and HungUp."""
        parts = []
        while True:
            if message["type"] == "http.disconnect":
                raise HungUp
            parts.append(message.get("body", b""))
            self._add(len(parts[-1]))
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await receive()

    def _add(self, size: int) -> None:
        self.size += size
        self.bodies.held += size
        if self.size > MOST_BODY_BYTES:
            raise TooLarge
        if self.bodies.held > MOST_HELD_BYTES:
            raise TooManyRequests("Too many large bodies are under way.")

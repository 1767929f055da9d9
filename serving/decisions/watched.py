"""Files that people edit while the service runs: read again when they change, the last good content kept."""

import logging
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)
Content = TypeVar("Content")


class BadFile(Exception):
    """A file that says what cannot be, in a sentence that tells what would be right."""


@dataclass
class Watched(Generic[Content]):
    """A TOML file as parsed. `failure`: why its newest version is not in force; None when it is."""

    path: Path
    parse: Callable[[Mapping[str, Any]], Content]
    failure: str | None = None
    _content: Content | None = None
    _seen: tuple[int, int] | None = field(default=None)

    def __post_init__(self) -> None:
        """Read it for the first time. Raises BadFile: nobody starts with rules that are wrong."""
        self._seen = self._stamp()
        self._content = self._read()

    @property
    def content(self) -> Content:
        """The newest good content."""
        assert self._content is not None
        return self._content

    def refresh(self) -> None:
        """Read the file again when it has changed; never raises."""
        try:
            # Nothing is known of a file that cannot be looked at: once it can be again, it is read.
            seen, self._seen = self._seen, None
            self._seen = self._stamp()
            if self._seen == seen:
                return
            self._content, self.failure = self._read(), None
        except BadFile as error:
            if self.failure != str(error):
                log.error("%s is not in force: %s", self.path.name, error)
            self.failure = str(error)
        else:
            log.info("%s was read again", self.path.name)

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise BadFile(f"{self.path} cannot be read: {error.strerror}") from error
        return found.st_mtime_ns, found.st_size

    def _read(self) -> Content:
        try:
            return self.parse(tomllib.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadFile(f"{self.path} cannot be read: {error}") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise BadFile(f"an entry of {self.path} is missing or of the wrong kind: {error!r}") from error

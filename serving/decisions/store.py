"""Keeps the served versions up to date: looks at aliases, brings and proves new versions, swaps them in as one."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from ml import comparison
from ml.errors import MlError
from ml.form import load
from ml.policy import models as model_policies
from serving.decisions.assessment import assess
from serving.decisions.cache import Cache
from serving.decisions.registry import BadVersion, Registered, RegistryAway
from serving.decisions.requests import EXAMPLES
from serving.decisions.versions import NOTHING, Models, Pair, Version

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
ALIASES = (CHAMPION, CHALLENGER)
FIRST_LOOK_SECONDS = 20.0
"""A start waits so long for MLflow at most, then it serves what the cache holds."""
REFUSED_SECONDS = 60.0
"""A damaged version is not looked at again for so long."""


class Source(Protocol):
    """Where versions come from. Raises RegistryAway and BadVersion."""

    async def with_alias(self, model: str, alias: str) -> Registered | None:
        """The version that bears an alias."""

    async def fetch(self, registered: Registered, folder: Path) -> None:
        """Bring its served form."""


class ModelStore:
    """What is served now. `failures`: why an alias is not, by model and alias; the last good version stays."""

    def __init__(
        self,
        source: Source | None,
        cache: Cache,
        clock: Callable[[], datetime],
        poll_seconds: float,
        on_failure: Callable[[str, str], None] = lambda model, alias: None,
    ) -> None:
        self.source = source
        self.cache = cache
        self.clock = clock
        self.poll_seconds = poll_seconds
        self.on_failure = on_failure
        self.models: Models = NOTHING
        self.failures: dict[tuple[str, str], str] = {}
        self.reachable: bool | None = None
        self._registered: dict[str, dict[str, Registered]] = {}
        self._refused: dict[Registered, tuple[float, str]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve what the cache holds, then what MLflow says if it answers soon, and keep looking."""
        await self._from_cache()
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._look()
        if self.source is not None:
            self._task = asyncio.create_task(self._run(), name="models")

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Look at all aliases once."""
        if self.source is None:
            return
        was_reachable, found = self.reachable, dict(self.models)
        try:
            for model in model_policies():
                pair = await self._refreshed(model, self.source)
                if pair is not None:
                    found[model] = pair
        except RegistryAway as error:
            self.reachable = False
            if was_reachable is not False:
                log.warning("%s; what is served stays", error)
        else:
            self.reachable = True
        self._swap(found)

    def why(self, model: str) -> str:
        """What a caller should know of a model that is not there; empty when its alias is simply not set."""
        if reason := self.failures.get((model, CHAMPION)):
            return f"Its champion is not taken: {reason}."
        if self.source is None:
            return "MLFLOW_TRACKING_URI is not set to a server."
        return "" if self.reachable else "MLflow does not answer."

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.poll_seconds)
            await self._look()

    async def _look(self) -> None:
        try:
            await self.refresh()
        except Exception:
            # A mistake of ours, or an answer that nobody thought of, must not end the looking; what is served stays.
            log.exception("the look for new versions failed")

    async def _refreshed(self, model: str, source: Source) -> Pair | None:
        champion = await self._current(model, CHAMPION, source)
        challenger = await self._current(model, CHALLENGER, source)
        return None if champion is None else Pair(champion, challenger)

    async def _current(self, model: str, alias: str, source: Source) -> Version | None:
        """The version to serve under an alias: the named one, or the last good one when that cannot be."""
        present = self._version(model, alias)
        try:
            named = await source.with_alias(model, alias)
            if named is None:
                return self._without(model, alias, present)
            version = await self._taken(named, source)
        except (BadVersion, MlError, OSError) as error:
            self._failed(model, alias, str(error))
            return present
        if self.failures.pop((model, alias), None) is not None:
            log.info("%s of %s is well again: version %d", alias, model, version.number)
        self._registered.setdefault(model, {})[alias] = named
        return version

    def _without(self, model: str, alias: str, present: Version | None) -> Version | None:
        """No version bears the alias: a challenger has gone, a champion stays, for somebody has to answer."""
        if alias == CHALLENGER or present is None:
            self.failures.pop((model, alias), None)
            self._registered.get(model, {}).pop(alias, None)
            return None
        self._failed(model, alias, "no version bears the alias any more")
        return present

    async def _taken(self, named: Registered, source: Source) -> Version:
        for alias in ALIASES:
            known = self._version(named.model, alias)
            if known is not None and known.identity == named.identity:
                return known
        until, reason = self._refused.get(named, (0.0, ""))
        if time.monotonic() < until:
            raise BadVersion(reason)
        if not self.cache.folder(named).is_dir():
            await self._bring(named, source)
        return await self._load(named)

    async def _bring(self, named: Registered, source: Source) -> None:
        scratch = self.cache.scratch() / "form"
        try:
            await source.fetch(named, scratch)
            self.cache.keep(scratch, named)
        finally:
            self.cache.discard(scratch.parent)

    async def _load(self, named: Registered) -> Version:
        """Load and prove a version in a thread; a damaged one is brought again after a while."""
        try:
            return await asyncio.to_thread(_proved, self.cache.folder(named), named, self.clock())
        except MlError as error:
            self.cache.forget(named)
            reason = f"version {named.number}: {error}"
            self._refused[named] = (time.monotonic() + REFUSED_SECONDS, reason)
            raise BadVersion(reason) from error

    async def _from_cache(self) -> None:
        self.cache.tidy()
        found: dict[str, Pair] = {}
        for model, row in self.cache.served().items():
            versions: dict[str, Version] = {}
            for alias, named in row.items():
                try:
                    versions[alias] = await self._load(named)
                except (BadVersion, OSError) as error:
                    self._failed(model, alias, str(error))
            self._refused.clear()
            if CHAMPION in versions:
                found[model] = Pair(versions[CHAMPION], versions.get(CHALLENGER))
                self._registered[model] = {alias: row[alias] for alias in versions}
        self.models = MappingProxyType(found)

    def _swap(self, found: dict[str, Pair]) -> None:
        if found == dict(self.models):
            return
        self.models = MappingProxyType(found)
        for model, pair in found.items():
            challenger = f", challenger {pair.challenger.number}" if pair.challenger else ""
            log.info("%s: champion %d%s", model, pair.champion.number, challenger)
        try:
            self.cache.remember({model: self._registered.get(model, {}) for model in found})
        except OSError as error:
            log.warning("what is served cannot be kept for the next start: %s", error)

    def _version(self, model: str, alias: str) -> Version | None:
        pair = self.models.get(model)
        if pair is None:
            return None
        return pair.champion if alias == CHAMPION else pair.challenger

    def _failed(self, model: str, alias: str, reason: str) -> None:
        if self.failures.get((model, alias)) != reason:
            log.error("%s of %s is not taken: %s", alias, model, reason)
            self.on_failure(model, alias)
        self.failures[(model, alias)] = reason


def _proved(folder: Path, named: Registered, since: datetime) -> Version:
    """The version of a folder, once it gave the answers that were kept with it, and whole ones with their reasons.

    Afterwards compiled code is warm.
    """
    model = load(folder)
    if model.name != named.model:
        raise MlError(f"it holds {model.name}, not {named.model}")
    comparison.require_equal(model, folder)
    version = Version(named.number, named.identity, model, since)
    definition = model.encoder.definition
    least = {one.name: EXAMPLES[one.name] for one in definition.fields if one.is_required}
    try:
        for request in (EXAMPLES, least):
            assess(version, definition.cleaned(request))
    except Exception as error:
        # Whatever is wrong with a file from elsewhere, the version before it answers better.
        raise MlError(f"it cannot answer a request: {error!r}") from error
    return version

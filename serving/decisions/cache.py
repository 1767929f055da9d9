"""The folder that keeps served forms over a restart: a folder per version, and which versions were served last."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.decisions.registry import Registered

KEPT = 4
"""Versions of each model beside those that are served: a rollback finds them here."""
_STATE = "served.json"


@dataclass(frozen=True)
class Cache:
    """MODEL_CACHE_DIR."""

    root: Path

    def folder(self, registered: Registered) -> Path:
        """Where the form of a version is, or will be."""
        return self.root / registered.model / registered.identity

    def scratch(self) -> Path:
        """A new folder beside the others, which `keep` makes one of them. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".coming-", dir=self.root))

    def keep(self, scratch: Path, registered: Registered) -> None:
        """Make a scratch folder that of the version, whole or not at all. Raises OSError."""
        folder = self.folder(registered)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)

    def discard(self, scratch: Path) -> None:
        """Delete a scratch folder, whatever became of it."""
        shutil.rmtree(scratch, ignore_errors=True)

    def forget(self, registered: Registered) -> None:
        """Delete the form of a version, because it is damaged."""
        shutil.rmtree(self.folder(registered), ignore_errors=True)

    def served(self) -> dict[str, dict[str, Registered]]:
        """What was served last, by model and alias; empty when nothing is known."""
        try:
            stored = json.loads((self.root / _STATE).read_text(encoding="utf-8"))
            return {
                model: {
                    alias: Registered(model, int(number), str(identity)) for alias, (number, identity) in row.items()
                }
                for model, row in stored.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def remember(self, served: Mapping[str, Mapping[str, Registered]]) -> None:
        """Write down what is served, and delete forms that have not been for long. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        state = {
            model: {alias: (one.number, one.identity) for alias, one in row.items()} for model, row in served.items()
        }
        coming = self.root / f".{_STATE}.{os.getpid()}"
        coming.write_text(json.dumps(state), encoding="utf-8")
        coming.replace(self.root / _STATE)
        for model, row in served.items():
            self._prune(model, {one.identity for one in row.values()})

    def tidy(self) -> None:
        """Delete what an interrupted download left."""
        for left in self.root.glob(".coming-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _prune(self, model: str, needed: set[str]) -> None:
        others = [one for one in (self.root / model).iterdir() if one.name not in needed]
        others.sort(key=lambda one: one.stat().st_mtime, reverse=True)
        for one in others[KEPT:]:
            shutil.rmtree(one, ignore_errors=True)

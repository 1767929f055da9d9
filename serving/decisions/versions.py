"""What is served: versions of models, replaced as one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType

from ml.form import ServedModel
from ml.reasons import Explainer


@dataclass(frozen=True)
class Version:
    """A loaded version. `identity`: tells it from another one of the same number in another registry."""

    number: int
    identity: str
    model: ServedModel
    since: datetime

    @cached_property
    def explainer(self) -> Explainer:
        """The model that says why."""
        return Explainer(self.model)


@dataclass(frozen=True)
class Pair:
    """The versions of one model."""

    champion: Version
    challenger: Version | None = None


Models = Mapping[str, Pair]
"""By name; never changed, only replaced."""
NOTHING: Models = MappingProxyType({})


class NoModel(Exception):
    """A model that is asked for has no version yet."""

    def __init__(self, model: str, why: str = "") -> None:
        todo = f"Train it (`make train`) and promote it (`python -m ml promote {model}`)."
        super().__init__(" ".join(filter(None, (f"{model} has no champion.", why, todo))))
        self.model = model

"""Which version answers a request: champion, or another by the hash of a stable key or by a share of all requests."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ml.policy import models
from serving.decisions.watched import BadFile

Kind = Literal["split", "canary", "shadow"]
KEYS = ("user_id", "merchant_id", "transaction_id")
ARMS: Mapping[str, str] = {"split": "challenger", "canary": "canary", "shadow": "shadow"}


@dataclass(frozen=True)
class Experiment:
    """How a model's challenger takes part. `share`: of keys (split), of requests (canary, shadow), 0..1."""

    name: str
    model: str
    kind: Kind
    share: float
    key: str = "user_id"

    def __post_init__(self) -> None:
        """Raises BadFile where a person wrote something that cannot be."""
        if not isinstance(self.name, str) or not self.name:
            raise BadFile(f"an experiment's name is a text, not {self.name!r}")
        if self.kind not in ARMS:
            raise BadFile(f"experiment {self.name}: kind is one of {', '.join(ARMS)}, not {self.kind!r}")
        if self.key not in KEYS:
            raise BadFile(f"experiment {self.name}: key is one of {', '.join(KEYS)}, not {self.key!r}")
        if self.model not in models():
            raise BadFile(f"experiment {self.name}: there is no model {self.model!r}")
        if not isinstance(self.share, int | float) or not 0.0 <= self.share <= 1.0:
            raise BadFile(f"experiment {self.name}: share is between 0 and 1, not {self.share!r}")

    def takes(self, key: str) -> bool:
        """Whether the challenger takes this key: always the same for one experiment, independent between two."""
        return fraction(f"{self.name}/{key}") < self.share


def fraction(text: str) -> float:
    """A number 0..1 that depends on the text alone, evenly spread."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest()) / 2**64


def parse(document: Mapping[str, Any]) -> dict[str, Experiment]:
    """The experiments of a file by model; at most one each. Raises BadFile with what is wrong."""
    found: dict[str, Experiment] = {}
    rows = document.get("experiments", [])
    if not isinstance(rows, list):
        raise BadFile(f"experiments is a list of tables, not {rows!r}")
    for row in rows:
        try:
            experiment = Experiment(**row)
        except TypeError as error:
            raise BadFile(f"an experiment has a wrong entry: {error}") from error
        if experiment.model in found:
            raise BadFile(
                f"{experiment.model} has two experiments, {found[experiment.model].name} and {experiment.name}"
            )
        found[experiment.model] = experiment
    if len({one.name for one in found.values()}) < len(found):
        raise BadFile("two experiments have the same name")
    return found

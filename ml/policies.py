"""From chances to decisions: the same functions choose in evaluation, for many rows, and in serving, for one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.features.encoder import Columns, Floats
from ml.form import ServedModel
from ml.policy import costs, retry

GIVE_UP = -1
"""The action of a retry policy that does not retry; others are places in the list of waits."""


def processor_chances(model: ServedModel, columns: Columns) -> Floats:
    """P(approved) through each of the model's processors, one column each."""
    return _chances(model, columns, "processor", model.facts["processors"])


def choose_processor(chances: Floats) -> npt.NDArray[np.int64]:
    """The place of the processor with the best chance; the first of equals."""
    return np.asarray(chances.argmax(axis=1), dtype=np.int64)


def wait_chances(model: ServedModel, columns: Columns) -> Floats:
    """P(approved) of a retry after each of the model's waits, one column each."""
    return _chances(model, columns, "minutes_since_decline", model.facts["waits_minutes"])


def allowed_waits(model: ServedModel, columns: Columns) -> npt.NDArray[np.bool_]:
    """Which waits were tried often enough after each row's decline reason to say anything about."""
    waits, tried = model.facts["waits_minutes"], model.facts["waits_tried"]
    nothing: list[float] = []
    return np.array([[wait in tried.get(reason, nothing) for wait in waits] for reason in columns["decline_reason"]])


@dataclass(frozen=True)
class RetryFee:
    """What an attempt costs, in US dollars: a fixed part and a share of the amount, as logged fees have it."""

    fixed_usd: float
    share: float

    @classmethod
    def of(cls, model: ServedModel) -> "RetryFee":
        """As the model's training found it."""
        return cls(float(model.facts["fee_fixed_usd"]), float(model.facts["fee_share"]))

    def usd(self, amount_usd: Floats) -> Floats:
        """The fee for amounts."""
        return np.asarray(self.fixed_usd + self.share * amount_usd)


def choose_wait(
    chances: Floats, allowed: npt.NDArray[np.bool_], amount_usd: Floats, fee: RetryFee
) -> npt.NDArray[np.int64]:
    """The place of the shortest wait that is as good as the best, or GIVE_UP where no retry is worth its fee."""
    possible = np.where(allowed, chances, -1.0)
    best = possible.max(axis=1)
    first = (possible >= (best - retry().indifference)[:, None]).argmax(axis=1)
    chance = possible[np.arange(len(first)), first]
    pays = chance * costs().margin_share * amount_usd > fee.usd(amount_usd)
    return np.where(pays & (best >= 0.0), first, GIVE_UP).astype(np.int64)


def _chances(model: ServedModel, columns: Columns, field: str, values: Sequence[Any]) -> Floats:
    count = len(next(iter(columns.values())))
    chances = [model.probabilities(_with(columns, field, [value] * count))[:, -1] for value in values]
    return np.column_stack(chances)


def _with(columns: Columns, field: str, values: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
    return {**columns, field: values}

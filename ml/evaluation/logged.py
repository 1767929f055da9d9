"""What the logs say of the decisions that were taken: which actions, by which chances, at which fees."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.contracts import reference
from ml.datasets.examples import Examples
from ml.errors import MlError
from ml.policy import retry

Floats = npt.NDArray[np.float64]
Actions = npt.NDArray[np.int64]
_LARGEST_GAP = 0.05
_MOST_USD = 1e12
"""What is more than this is rubbish, and no line could be drawn through it."""


def own_processors(training: Examples) -> dict[str, str]:
    """The processor that each merchant mostly uses: its own, to which it goes when it does not explore."""
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for merchant, processor in zip(training.columns["merchant_id"], training.columns["processor"], strict=True):
        if merchant is not None:
            used[merchant][processor] += 1
    return {merchant: counts.most_common(1)[0][0] for merchant, counts in used.items()}


def routing_chances(examples: Examples, own: dict[str, str]) -> Floats:
    """The chance with which each processor was chosen: an even share of the exploration, and the rest for one's own.

    NaN for merchants that training did not see.
    """
    names = reference()["processors"]["names"]
    share = float(reference()["processors"]["exploration_share"])
    chances = np.full((examples.count, len(names)), share / len(names))
    for row, merchant in enumerate(examples.columns["merchant_id"]):
        if merchant in own:
            chances[row, names.index(own[merchant])] += 1.0 - share
        else:
            chances[row] = np.nan
    return chances


def require_exploration(action: Actions, chances: Floats) -> None:
    """Raises MlError when what was logged contradicts the exploration share: every estimate would be wrong."""
    expected = float(chances.max(axis=1).mean())
    found = float((action == chances.argmax(axis=1)).mean())
    if abs(expected - found) > _LARGEST_GAP or chances.min() <= 0.0:
        raise MlError(
            f"{found:.0%} of the payments went to their merchant's own processor; exploration_share in "
            f"contracts/reference.toml says {expected:.0%}. Set it to what routing does, above 0."
        )


def nearest_wait(minutes: Floats) -> Actions:
    """The place of the wait that is nearest, by ratio."""
    waits = np.log(np.array(retry().waits_minutes))
    distance = np.abs(np.log(np.maximum(minutes, 1e-3))[:, None] - waits[None, :])
    return np.asarray(distance.argmin(axis=1), dtype=np.int64)


def waits_tried(training: Examples) -> dict[str, list[float]]:
    """By decline reason, the waits that were tried often enough."""
    places = nearest_wait(training.numbers("minutes_since_decline"))
    counts = Counter(zip(training.columns["decline_reason"], places.tolist(), strict=True))
    tried: dict[str, list[float]] = {}
    for (reason, place), count in sorted(counts.items()):
        if count >= retry().least_tried:
            tried.setdefault(reason, []).append(retry().waits_minutes[place])
    return tried


def retry_actions(examples: Examples) -> Actions:
    """What was done after each decline: 0 is giving up, else the place of the wait plus 1."""
    is_retried = np.array(examples.columns["is_retried"], dtype=bool)
    waited = nearest_wait(np.nan_to_num(examples.numbers("minutes_since_decline"), nan=1.0))
    return np.where(is_retried, waited + 1, 0).astype(np.int64)


def retry_chances(before: Examples, examples: Examples) -> Floats:
    """How often each action followed each decline reason and number of attempts, counted before."""
    actions = len(retry().waits_minutes) + 1
    counts: dict[Any, Floats] = defaultdict(lambda: np.full(actions, 0.5))
    for state, action in zip(_states(before), retry_actions(before).tolist(), strict=True):
        counts[state][action] += 1.0
    return np.array([counts[state] / counts[state].sum() for state in _states(examples)])


def _states(examples: Examples) -> list[Any]:
    columns = examples.columns
    return list(zip(columns["decline_reason"], columns["previous_attempts"], strict=True))


def fee_line(training: Examples) -> tuple[float, float]:
    """Fixed part in US dollars and share of the amount that fit the logged fees best."""
    amount, fee = training.numbers("amount_usd"), training.numbers("fee_usd")
    known = (amount < _MOST_USD) & (np.abs(fee) < _MOST_USD)
    if known.sum() < 2:
        return 0.0, 0.0
    share, fixed = np.polyfit(amount[known], fee[known], 1)
    return max(0.0, float(fixed)), max(0.0, float(share))

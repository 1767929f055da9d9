"""What a policy would have earned, from decisions that another one took and logged with known chances.

Inverse propensity scoring weighs each logged decision that the policy would have taken too by how rarely it was taken;
it is right when the chances are. The doubly robust estimate begins with the model's guess for every row and corrects
it by the same weights: it is right when either the chances or the guesses are, and mostly less noisy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Actions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Logged:
    """Decisions as they were taken: the action, the chance of each action there was, and what it earned."""

    action: Actions
    chances: Floats
    reward: Floats

    def weights(self, chosen: Actions) -> Floats:
        """1 / chance where the policy would have done the same, 0 elsewhere."""
        taken = self.chances[np.arange(len(self.action)), self.action]
        return np.where(chosen == self.action, 1.0 / taken, 0.0)


def ips(logged: Logged, chosen: Actions) -> Floats:
    """Each row's share in the estimate by inverse propensity; its mean is the policy's value."""
    return np.asarray(logged.weights(chosen) * logged.reward)


def doubly_robust(logged: Logged, chosen: Actions, guessed: Floats) -> Floats:
    """Each row's share in the doubly robust estimate; `guessed`: the reward of each action by the model."""
    rows = np.arange(len(chosen))
    residual = logged.reward - guessed[rows, logged.action]
    return np.asarray(guessed[rows, chosen] + logged.weights(chosen) * residual)


def effective_rows(logged: Logged, chosen: Actions) -> float:
    """How many equally weighted rows the estimate by inverse propensity is worth."""
    weights = logged.weights(chosen)
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0

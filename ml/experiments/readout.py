"""The read-out of an experiment: one sentence, the figures behind it, and what must be true for it to hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ml.experiments import fixed, sequential
from ml.experiments.arms import Arm
from ml.policy import ExperimentPlan

CHAMPION = "champion"
ASSUMPTIONS = (
    "The unit is the key that the split hashes, with the first outcome known of it; keys do not influence each other.",
    "A key stays in its arm; keys that were seen in two are left out and counted.",
    "Outcomes come as often, and as soon, in each arm.",
    "Effect, baseline and chances were written down in contracts/models.toml before the experiment began.",
    "The fixed test holds at its planned size only, and is not shown before. The sequential one may be looked at "
    "whenever one likes, and is somewhat wider.",
    "Shares are taken for normally distributed, which they nearly are from a few hundred units on.",
)


class Verdict(StrEnum):
    """What is to be concluded."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    BROKEN = "broken"


@dataclass(frozen=True)
class Balance:
    """Whether the arms are as large as planned. `p_value`: of the chi-square test; None without planned shares."""

    expected: Mapping[str, float]
    p_value: float | None
    is_broken: bool


@dataclass(frozen=True)
class Comparison:
    """An arm beside the champion's. `fixed` is None until both have their planned units."""

    arm: str
    needed: tuple[int, int]
    fixed: fixed.FixedTest | None
    sequential: sequential.SequentialTest | None
    verdict: Verdict
    reason: str


def balance(arms: Sequence[Arm], plan: ExperimentPlan) -> Balance:
    """Whether keys went to the arms in the planned shares."""
    total = sum(one.keys for one in arms)
    shares = {one.name: plan.shares.get(one.name, 0.0) for one in arms}
    planned = sum(shares.values())
    if not plan.shares or not total or not all(shares.values()) or len(arms) < 2:
        return Balance({}, None, is_broken=False)
    expected = {name: total * share / planned for name, share in shares.items()}
    statistic = sum((one.keys - expected[one.name]) ** 2 / expected[one.name] for one in arms)
    p_value = _chi_square_tail(statistic, len(arms) - 1)
    return Balance(expected, p_value, is_broken=p_value < plan.mismatch)


def compare(champion: Arm, challenger: Arm, split: Balance, plan: ExperimentPlan) -> Comparison:
    """What is known of the difference."""
    ratio = challenger.keys / champion.keys if champion.keys and challenger.keys else 1.0
    needed = fixed.needed_units(plan.baseline, plan.minimal_effect, plan.alpha, plan.power, ratio)
    is_whole = champion.units >= needed[0] and challenger.units >= needed[1]
    at_size = fixed.compare(champion, challenger, plan.alpha) if is_whole else None
    at_any_time = sequential.compare(champion, challenger, plan.alpha, plan.minimal_effect)
    verdict, reason = _conclusion(challenger, at_any_time, split, plan)
    return Comparison(challenger.name, needed, at_size, at_any_time, verdict, reason)


def _conclusion(
    challenger: Arm, found: sequential.SequentialTest | None, split: Balance, plan: ExperimentPlan
) -> tuple[Verdict, str]:
    if split.is_broken:
        return Verdict.BROKEN, "The arms are not as large as planned: find out why before anything is concluded."
    if found is None:
        return Verdict.UNDECIDED, "There are too few outcomes to say anything."
    said = f"{found.difference.value:+.2%} ({found.difference.low:+.2%} to {found.difference.high:+.2%})"
    if found.p_value > plan.alpha:
        return Verdict.UNDECIDED, f"{challenger.name} differs from the champion by {said}: chance may do that."
    verdict = Verdict.BETTER if found.difference.value > 0 else Verdict.WORSE
    return verdict, f"{challenger.name} is {verdict} than the champion: {said}."


def _chi_square_tail(statistic: float, degrees: int) -> float:
    """P(chi-square > statistic): the incomplete gamma function, raised by steps of 1 from where it is elementary."""
    half = statistic / 2.0
    shape, tail = (0.5, math.erfc(math.sqrt(half))) if degrees % 2 else (1.0, math.exp(-half))
    while shape < degrees / 2.0:
        tail += half**shape * math.exp(-half) / math.gamma(shape + 1.0)
        shape += 1.0
    return tail

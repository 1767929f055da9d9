"""When a challenger becomes the champion: equal in serving, and better beyond chance on later data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ml.datasets.examples import Examples
from ml.datasets.sets import TrainingSet
from ml.errors import MlError
from ml.evaluation import figures as of
from ml.evaluation import resampling
from ml.evaluation.policies import RetryOutcome, RoutingOutcome, routed
from ml.evaluation.resampling import Floats, Interval
from ml.form import ServedModel
from ml.policy import ModelPolicy, models, promotion, split
from ml.registry.store import CHALLENGER, CHAMPION, Registry, Version


@dataclass(frozen=True)
class Verdict:
    """Whether a version may become champion, and why. `gain`: of its primary figure over the champion's."""

    is_better: bool
    reason: str
    gain: Interval | None = None


def judge(registry: Registry, model: str, read: Callable[[], TrainingSet]) -> tuple[Version, Verdict]:
    """The challenger of a model and the verdict on it. Raises MlError when there is none, or too little later data."""
    challenger = registry.with_alias(model, CHALLENGER)
    if challenger is None:
        raise MlError(f"{model} has no challenger: train it first (`python -m ml train {model}`).")
    difference = registry.served_difference(challenger)
    if not difference <= promotion().equality_tolerance:
        rows = promotion().equality_rows
        reason = f"its served form differs from the trained model by up to {difference:.1e} on {rows:,} rows"
        return challenger, Verdict(False, reason)
    champion = registry.with_alias(model, CHAMPION)
    if champion is not None and champion.number == challenger.number:
        return challenger, Verdict(True, "it was champion already, and is no longer its own challenger")
    if champion is None:
        return challenger, Verdict(True, "there is no champion yet, and it passed the gates")
    gain = compare(registry.load(challenger), registry.load(champion), read(), models()[model])
    return challenger, verdict(gain, models()[model], champion)


def verdict(gain: Interval, policy: ModelPolicy, champion: Version) -> Verdict:
    """Better beyond chance: even the lower bound of the gain is above 0."""
    said = f"{policy.primary} is better than that of {champion.title} by {gain} on later data"
    return Verdict(gain.low > 0.0, said if gain.low > 0.0 else f"it is not beyond chance that {said}", gain)


def compare(challenger: ServedModel, champion: ServedModel, data: TrainingSet, policy: ModelPolicy) -> Interval:
    """The gain of the primary figure on rows that are later than what either learnt from; positive is better."""
    trained_until = max(np.datetime64(one.facts["trained_until"]) for one in (challenger, champion))
    later = data.examples.where(data.examples.at > trained_until)
    if later.count < split().least_rows:
        raise MlError(
            f"There are {later.count} rows with known outcome after both were trained, {split().least_rows} are "
            "needed: wait for more."
        )
    return _GAINS[policy.primary](challenger, champion, data, later)


def _f1_gain(challenger: ServedModel, champion: ServedModel, _: TrainingSet, later: Examples) -> Interval:
    def statistics(model: ServedModel) -> Floats:
        score = model.probabilities(later.columns)[:, -1]
        return resampling.f1_statistics(score, later.label == len(model.classes) - 1, model.threshold)

    both = np.hstack([statistics(challenger), statistics(champion)])
    return resampling.interval(both, later.hours, lambda sums: resampling.f1(sums[:, :3]) - resampling.f1(sums[:, 3:]))


def _log_loss_gain(challenger: ServedModel, champion: ServedModel, _: TrainingSet, later: Examples) -> Interval:
    ours, theirs = (of.log_losses(one.probabilities(later.columns), later.label) for one in (challenger, champion))
    return resampling.interval(resampling.with_ones(theirs - ours), later.hours)


def _value_gain(challenger: ServedModel, champion: ServedModel, data: TrainingSet, later: Examples) -> Interval:
    if challenger.name == "smart_routing_policy":
        known = routed(routed(later, challenger), champion)
        ours, theirs = (RoutingOutcome(one, known).value for one in (challenger, champion))
        return resampling.interval(resampling.with_ones(ours - theirs), known.hours)
    before = data.examples.where(data.examples.at < later.at.min())
    ours, theirs = (RetryOutcome(one, before, later).recovered for one in (challenger, champion))
    amount = later.numbers("amount_usd")
    statistics = np.column_stack([(ours - theirs) * amount, amount])
    return resampling.interval(statistics, later.hours)


_GAINS: Mapping[str, Callable[[ServedModel, ServedModel, TrainingSet, Examples], Interval]] = {
    "f1": _f1_gain,
    "log_loss": _log_loss_gain,
    "value": _value_gain,
}

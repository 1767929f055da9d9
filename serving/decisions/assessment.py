"""One version of a model asked one request: probabilities, what follows from them, and why."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ml import policies
from ml.reasons import Reason
from serving.decisions.rules import amount_usd
from serving.decisions.versions import Version

Cleaned = Mapping[str, Any]


class Assessment(msgspec.Struct, frozen=True, gc=False):
    """What a version says. `chosen`: the processor or the wait in minutes, where there is one."""

    probability: float
    probabilities: dict[str, float]
    threshold: float | None
    decision: str
    reasons: list[Reason]
    chosen: float | str | None = None


def assess(version: Version, cleaned: Cleaned, processors: Sequence[str] | None = None) -> Assessment:
    """What a version says of a request. `processors`: among which routing chooses; all by default."""
    name = version.model.name
    if name == "smart_routing_policy":
        return _route(version, cleaned, processors)
    return _ASSESSORS.get(name, _yes_or_no)(version, cleaned)


def _yes_or_no(version: Version, cleaned: Cleaned) -> Assessment:
    model = version.model
    probabilities, reasons = version.explainer.explained(cleaned, model.encoder.encoded(cleaned))
    negative, positive = model.classes
    decision = positive if probabilities[1] >= model.threshold else negative
    named = {negative: probabilities[0], positive: probabilities[1]}
    return Assessment(probabilities[1], named, model.threshold, decision, reasons)


def _likeliest(version: Version, cleaned: Cleaned) -> Assessment:
    model = version.model
    probabilities, reasons = version.explainer.explained(cleaned, model.encoder.encoded(cleaned))
    named = dict(zip(model.classes, probabilities, strict=True))
    decision = max(named, key=named.__getitem__)
    return Assessment(named[decision], named, None, decision, reasons)


def _route(version: Version, cleaned: Cleaned, processors: Sequence[str] | None) -> Assessment:
    names = [name for name in version.model.facts["processors"] if processors is None or name in processors]
    rows = version.model.encoder.variants(cleaned, "processor", names)
    chances = version.model.scorer.probabilities(rows)[:, -1]
    place = int(policies.choose_processor(chances[np.newaxis])[0])
    _, reasons = version.explainer.explained({**cleaned, "processor": names[place]}, rows[place])
    found = chances.tolist()
    named = dict(zip(names, found, strict=True))
    return Assessment(found[place], named, None, names[place], reasons, chosen=names[place])


def _retry(version: Version, cleaned: Cleaned) -> Assessment:
    model = version.model
    waits = model.facts["waits_minutes"]
    rows = model.encoder.variants(cleaned, "minutes_since_decline", waits)
    chances = model.scorer.probabilities(rows)[:, -1]
    allowed = policies.allowed_waits(model, {"decline_reason": [cleaned["decline_reason"]]})
    fee = policies.RetryFee.of(model)
    place = int(policies.choose_wait(chances[np.newaxis], allowed, np.array([amount_usd(cleaned)]), fee)[0])
    shown = int(np.where(allowed[0], chances, -1.0).argmax()) if place == policies.GIVE_UP else place
    _, reasons = version.explainer.explained({**cleaned, "minutes_since_decline": waits[shown]}, rows[shown])
    found = chances.tolist()
    named = {f"{wait:g}": chance for wait, chance, tried in zip(waits, found, allowed[0], strict=True) if tried}
    decision = "give_up" if place == policies.GIVE_UP else "retry"
    return Assessment(found[shown], named, None, decision, reasons, None if place == policies.GIVE_UP else waits[place])


_ASSESSORS: Mapping[str, Callable[[Version, Cleaned], Assessment]] = {
    "risk_scoring_model": _likeliest,
    "smart_retry_policy": _retry,
}

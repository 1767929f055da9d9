"""A request asked of the version that its experiment chooses, answered, and recorded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Protocol

import msgspec

from ml.features.definitions import DEFINITIONS
from serving.decisions.answers import Arm, Inference, ModelAnswer
from serving.decisions.assessment import Assessment, Cleaned, assess
from serving.decisions.experiments import Experiment, fraction
from serving.decisions.metrics import DecisionMetrics
from serving.decisions.requests import cleaned
from serving.decisions.versions import Models, NoModel, Version


class Log(Protocol):
    """Takes what was answered; never waits."""

    def add(self, inference: Inference) -> None:
        """Take a row of the record."""


class Shadows(Protocol):
    """Takes what is scored beside the request; never waits."""

    def add(self, score: Callable[[], None]) -> None:
        """Do this soon."""


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """Which version answers, and by what."""

    version: Version
    arm: Arm
    experiment: str | None = None
    key: str | None = None
    shadow: Version | None = None


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request under way. `began`: of time.perf_counter."""

    request: msgspec.Struct
    request_id: str
    at: datetime
    began: float


class Scored(msgspec.Struct, frozen=True, gc=False):
    """What was chosen and what it said."""

    call: Call
    model: str
    chosen: Chosen
    cleaned: Cleaned
    assessment: Assessment
    processors: Sequence[str] | None = None

    def answer(self) -> ModelAnswer:
        """For the caller."""
        return ModelAnswer(**self.members())

    def members(self) -> dict[str, Any]:
        """What every answer of a model says."""
        found, chosen = self.assessment, self.chosen
        return {
            "model": self.model,
            "version": chosen.version.number,
            "arm": chosen.arm,
            "experiment": chosen.experiment,
            "probability": found.probability,
            "probabilities": found.probabilities,
            "threshold": found.threshold,
            "decision": found.decision,
            "reasons": found.reasons,
        }


@dataclass(frozen=True)
class Scoring:
    """Everything that answering needs; models and experiments are asked for anew each time."""

    models: Callable[[], Models]
    experiments: Callable[[], dict[str, Experiment]]
    log: Log
    shadows: Shadows
    metrics: DecisionMetrics
    clock: Callable[[], datetime]
    why: Callable[[str], str] = lambda model: ""

    def begin(self, request: msgspec.Struct) -> Call:
        """A call with a number of its own, now."""
        return Call(request, _new_id(), self.clock(), time.perf_counter())

    def score(self, model: str, call: Call, processors: Sequence[str] | None = None) -> Scored:
        """Ask a model. Raises NoModel when none is there."""
        chosen = self._choose(model, call)
        values = cleaned(call.request, DEFINITIONS[model])
        return Scored(call, model, chosen, values, assess(chosen.version, values, processors), processors)

    def record(self, scored: Scored, decision: str, rules: Sequence[str] = ()) -> None:
        """Count an answer, write it down, and let a shadow answer the same."""
        self._record(scored, decision, rules)
        if scored.chosen.shadow is not None:
            version, chosen = scored.chosen.shadow, scored.chosen

            def score() -> None:
                began = time.perf_counter()
                call = Call(scored.call.request, scored.call.request_id, scored.call.at, began)
                shadow = Chosen(version, "shadow", chosen.experiment, chosen.key)
                found = assess(version, scored.cleaned, scored.processors)
                self._record(Scored(call, scored.model, shadow, scored.cleaned, found), found.decision, ())

            self.shadows.add(score)

    def _record(self, scored: Scored, decision: str, rules: Sequence[str]) -> None:
        call, chosen, found = scored.call, scored.chosen, scored.assessment
        seconds = time.perf_counter() - call.began
        self.metrics.answers.add((scored.model, chosen.arm), seconds)
        request = call.request
        self.log.add(
            Inference(
                request_id=call.request_id,
                scored_at=call.at,
                model=scored.model,
                version=chosen.version.number,
                arm=chosen.arm,
                experiment=chosen.experiment,
                split_key=chosen.key,
                transaction_id=request.transaction_id,  # type: ignore[attr-defined]
                merchant_id=request.merchant_id,  # type: ignore[attr-defined]
                request=scored.cleaned,
                score=found.probability,
                scores=found.probabilities,
                decision=decision,
                policy_rules=list(rules),
                reasons=found.reasons,
                latency_us=round(seconds * 1e6),
            )
        )

    def _choose(self, model: str, call: Call) -> Chosen:
        pair = self.models().get(model)
        if pair is None:
            raise NoModel(model, self.why(model))
        experiment = self.experiments().get(model)
        if experiment is None or pair.challenger is None:
            return Chosen(pair.champion, "champion")
        if experiment.kind == "split":
            value = getattr(call.request, experiment.key)
            if value is None:
                return Chosen(pair.champion, "champion")
            key = str(value)
            if experiment.takes(key):
                return Chosen(pair.challenger, "challenger", experiment.name, key)
            return Chosen(pair.champion, "champion", experiment.name, key)
        is_taken = fraction(f"{experiment.name}/{call.request_id}") < experiment.share
        if experiment.kind == "canary" and is_taken:
            return Chosen(pair.challenger, "canary", experiment.name)
        shadow = pair.challenger if experiment.kind == "shadow" and is_taken else None
        return Chosen(pair.champion, "champion", experiment.name, shadow=shadow)


def _new_id() -> str:
    """A random UUID, version 4: no secret, so that the system need not be asked for each."""
    text = f"{_numbers.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


_numbers = Random()

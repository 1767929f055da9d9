"""What can be asked: each path with its request, and how it is answered. No HTTP here: bytes in, bytes out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.contracts import reference
from ml.features.definitions import APPROVAL, FRAUD, RETRY, RISK, ROUTING
from serving.decisions import rules
from serving.decisions.answers import Batch, Decision, FiredRule, Prediction
from serving.decisions.requests import (
    DEFAULT_MODEL,
    MOST_ROWS,
    PREDICTIONS,
    Refused,
    RequestType,
    union,
    without,
)
from serving.decisions.rules import GIVE_UP, Policy
from serving.decisions.scoring import Call, Scored, Scoring

CHUNK = 50
"""Rows of a batch that are scored at a stretch: other requests get their turn in between."""

AUTH = RequestType("AuthRequest", union([FRAUD, APPROVAL, RISK]))
ROUTE = RequestType("RoutingRequest", without(ROUTING, "processor"))
RETRYING = RequestType("RetryRequest", without(RETRY, "minutes_since_decline"))
APPROVING = RequestType("ApprovalRequest", APPROVAL.fields)
RATING = RequestType("RiskRequest", RISK.fields)


@dataclass(frozen=True)
class Endpoint:
    """A path. `request`: what it is asked, for its document; None where the document says it by itself."""

    path: str
    summary: str
    answer: Callable[[bytes], Awaitable[bytes]]
    reply: type
    request: RequestType | None = None


class _Model(msgspec.Struct):
    """The part of a prediction's request that says what the rest is."""

    model: str = DEFAULT_MODEL


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[msgspec.Raw]
    model: str = DEFAULT_MODEL


_encode = msgspec.json.Encoder().encode


class Deciding:
    """The endpoints over one way of scoring and the policy in force."""

    def __init__(self, scoring: Scoring, policy: Callable[[], Policy]) -> None:
        self.scoring = scoring
        self.policy = policy
        self._decoders = {name: msgspec.json.Decoder(one.type) for name, one in PREDICTIONS.items()}
        self._model = msgspec.json.Decoder(_Model)
        self._rows = msgspec.json.Decoder(_Rows)

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Everything that can be asked, by path."""
        decide, ask = "/api/decisioning", "/api/ml"
        found = [
            Endpoint("/predict", "What a model says, one request.", self._predict, Prediction),
            Endpoint("/predict/batch", f"The same for 1 to {MOST_ROWS:,} requests.", self._batch, Batch),
            self._decision(
                f"{decide}/auth", AUTH, self._auth, "Whether a payment goes on, by three models and the rules."
            ),
            self._decision(
                f"{decide}/retry", RETRYING, self._retry, "Whether a declined payment is tried again, and when."
            ),
            self._decision(f"{decide}/routing", ROUTE, self._route, "Which processor takes a payment."),
            self._bare(f"{ask}/approval", APPROVING, APPROVAL.model, "The chance that the issuer approves."),
            self._bare(f"{ask}/risk", RATING, RISK.model, "The risk tier."),
            self._bare(f"{ask}/routing", ROUTE, ROUTING.model, "The chance of approval through each processor."),
            self._bare(f"{ask}/retry", RETRYING, RETRY.model, "The chance of a retry after each wait."),
        ]
        return {one.path: one for one in found}

    async def _predict(self, body: bytes) -> bytes:
        name = decode(self._model, body).model if b'"model"' in body else DEFAULT_MODEL
        call = self.scoring.begin(decode(self._decoder(name), body))
        return _encode(self._prediction(name, call))

    async def _batch(self, body: bytes) -> bytes:
        asked = decode(self._rows, body)
        if not 1 <= len(asked.rows) <= MOST_ROWS:
            raise Refused("body.rows", f"expected 1 to {MOST_ROWS:,} rows, not {len(asked.rows):,}")
        decoder = self._decoder(asked.model)
        requests = []
        for place, row in enumerate(asked.rows):
            requests.append(decode(decoder, row, f"body.rows.{place}"))
            if place % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        predictions = []
        for place, request in enumerate(requests):
            predictions.append(self._prediction(asked.model, self.scoring.begin(request)))
            if place % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        first = predictions[0].request_id
        return _encode(Batch(request_id=first, model=asked.model, rows=len(predictions), predictions=predictions))

    def _decoder(self, model: str) -> msgspec.json.Decoder[Any]:
        decoder = self._decoders.get(model)
        if decoder is None:
            raise Refused("body.model", f"there is no model {model[:80]!r}; known are {', '.join(self._decoders)}")
        return decoder

    def _prediction(self, model: str, call: Call) -> Prediction:
        scored = self.scoring.score(model, call)
        self.scoring.record(scored, scored.assessment.decision)
        return Prediction(request_id=call.request_id, **scored.members())

    def _bare(self, path: str, request: RequestType, model: str, summary: str) -> Endpoint:
        decoder = msgspec.json.Decoder(request.type)

        async def answer(body: bytes) -> bytes:
            return _encode(self._prediction(model, self.scoring.begin(decode(decoder, body))))

        return Endpoint(path, summary, answer, Prediction, request)

    def _decision(self, path: str, request: RequestType, decide: Callable[[Call], Decision], summary: str) -> Endpoint:
        decoder = msgspec.json.Decoder(request.type)

        async def answer(body: bytes) -> bytes:
            return _encode(decide(self.scoring.begin(decode(decoder, body))))

        return Endpoint(path, summary, answer, Decision, request)

    def _auth(self, call: Call) -> Decision:
        found = {one.model: self.scoring.score(one.model, call) for one in (FRAUD, RISK, APPROVAL)}
        facts = {name: value for scored in found.values() for name, value in scored.cleaned.items()}
        fraud = found[FRAUD.model].assessment
        scores = rules.Scores(
            fraud=fraud.probability,
            fraud_threshold=fraud.threshold or 0.5,
            risk_tier=found[RISK.model].assessment.decision,
            approval=found[APPROVAL.model].assessment.probability,
        )
        decision, fired = rules.authorise(self.policy(), facts, scores)
        return self._decided(call, list(found.values()), decision, fired)

    def _retry(self, call: Call) -> Decision:
        scored = self.scoring.score(RETRY.model, call)
        fired = rules.against_retry(self.policy(), scored.cleaned)
        decision = GIVE_UP if fired else scored.assessment.decision
        wait = None if decision == GIVE_UP else float(scored.assessment.chosen or 0.0)
        return self._decided(call, [scored], decision, fired, wait_minutes=wait)

    def _route(self, call: Call) -> Decision:
        allowed, fired = rules.in_service(self.policy(), reference()["processors"]["names"])
        if not allowed:
            return Decision(request_id=call.request_id, decision="none", rules=fired, models=[])
        scored = self.scoring.score(ROUTING.model, call, allowed)
        return self._decided(call, [scored], "route", fired, processor=str(scored.assessment.chosen))

    def _decided(
        self, call: Call, found: Sequence[Scored], decision: str, fired: Sequence[FiredRule], **chosen: Any
    ) -> Decision:
        names = [one.rule for one in fired]
        for scored in found:
            self.scoring.record(scored, chosen.get("processor") or decision, names)
        answers = [one.answer() for one in found]
        return Decision(request_id=call.request_id, decision=decision, rules=list(fired), models=answers, **chosen)


def decode(decoder: msgspec.json.Decoder[Any], body: bytes | msgspec.Raw, root: str = "body") -> Any:
    """The body as its type. Raises Refused with the place and the mistake."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        raise Refused(_path(root, place, message), _sentence(message)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(root, f"this is no JSON: {error}") from None


def _path(root: str, place: str, message: str) -> str:
    """Where a mistake is, with dots: of a field that is missing or unknown, its own name."""
    named = _FIELD.search(message)
    inner = place.rstrip("`").replace("[", ".").replace("]", "").strip(".")
    return ".".join(part for part in (root, inner, named[1] if named else "") if part)


def _sentence(message: str) -> str:
    return message.replace("`", "'")


_FIELD = re.compile(r"^Object (?:contains unknown|missing required) field `([^`]*)`")

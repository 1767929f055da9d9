"""What can be asked: each path with its request, and how it is answered. No HTTP here: bytes in, bytes out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from domain.contracts import reference
from ml.features.definitions import APPROVAL, FRAUD, RETRY, RISK, ROUTING
from serving.decisions import rules
from serving.decisions.answers import Batch, Decision, FiredRule, Prediction
from serving.decisions.assessment import Assessment
from serving.decisions.requests import (
    DEFAULT_MODEL,
    IDENTITY,
    MOST_ROWS,
    PREDICTIONS,
    Refused,
    RequestType,
    cleaned,
    union,
    without,
)
from serving.decisions.rules import GIVE_UP, Policy
from serving.decisions.scoring import Call, Scored, Scoring
from serving.decisions.versions import NoModel

CHUNK = 50
"""Rows of a batch that are scored at a stretch: other requests get their turn in between."""
MOST_BATCHES = 3
"""Batches that are scored at once; one of ten thousand rows takes some 40 MB meanwhile."""

AUTH = RequestType("AuthRequest", union([FRAUD, APPROVAL, RISK]))
ROUTE = RequestType("RoutingRequest", without(ROUTING, "processor"))
RETRYING = RequestType("RetryRequest", without(RETRY, "minutes_since_decline"))
APPROVING = RequestType("ApprovalRequest", APPROVAL.fields)
RATING = RequestType("RiskRequest", RISK.fields)


Notes = dict[str, str]
"""What the audit shall say of an answer because the record will not: no model took part in it."""


@dataclass(frozen=True)
class Endpoint:
    """A path. `request`: what it is asked, for its document; None where the document says it by itself."""

    path: str
    summary: str
    answer: Callable[[bytes, Notes], Awaitable[bytes]]
    reply: type
    request: RequestType | None = None


class _Model(msgspec.Struct):
    """The part of a prediction's request that says what the rest is."""

    model: str = DEFAULT_MODEL


class _Object(msgspec.Struct, gc=False):
    """Any object, of which nothing is kept."""


class _Shape(msgspec.Struct, forbid_unknown_fields=True):
    """A batch as far as it can be counted: eight megabytes of `[1,1,1…` would be as many objects in memory."""

    rows: list[_Object]
    model: str = DEFAULT_MODEL


class _Rows(msgspec.Struct):
    rows: list[msgspec.Raw]


_encode = msgspec.json.Encoder().encode


class Deciding:
    """The endpoints over one way of scoring and the policy in force."""

    def __init__(self, scoring: Scoring, policy: Callable[[], Policy]) -> None:
        self.scoring = scoring
        self.policy = policy
        self._decoders = {name: msgspec.json.Decoder(one.type) for name, one in PREDICTIONS.items()}
        self._model = msgspec.json.Decoder(_Model)
        self._shape = msgspec.json.Decoder(_Shape)
        self._rows = msgspec.json.Decoder(_Rows)
        self._batches = asyncio.Semaphore(MOST_BATCHES)

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

    async def _predict(self, body: bytes, notes: Notes) -> bytes:
        name = decode(self._model, body).model if b'"model"' in body else DEFAULT_MODEL
        call = self.scoring.begin(decode(self._decoder(name), body))
        return _encode(self._prediction(name, call))

    async def _batch(self, body: bytes, notes: Notes) -> bytes:
        asked = decode(self._shape, body)
        if not 1 <= len(asked.rows) <= MOST_ROWS:
            raise Refused("body.rows", f"expected 1 to {MOST_ROWS:,} rows, not {len(asked.rows):,}")
        async with self._batches:
            return await self._rows_answered(asked.model, body)

    async def _rows_answered(self, model: str, body: bytes) -> bytes:
        decoder = self._decoder(model)
        requests = []
        for place, row in enumerate(decode(self._rows, body).rows):
            requests.append(decode(decoder, row, f"body.rows.{place}"))
            if place % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        predictions = []
        for place, request in enumerate(requests):
            predictions.append(self._prediction(model, self.scoring.begin(request)))
            if place % CHUNK == CHUNK - 1:
                await asyncio.sleep(0)
        first = predictions[0].request_id
        return _encode(Batch(request_id=first, model=model, rows=len(predictions), predictions=predictions))

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

        async def answer(body: bytes, notes: Notes) -> bytes:
            return _encode(self._prediction(model, self.scoring.begin(decode(decoder, body))))

        return Endpoint(path, summary, answer, Prediction, request)

    def _decision(self, path: str, request: RequestType, decide: Callable[[Call], Decision], summary: str) -> Endpoint:
        decoder = msgspec.json.Decoder(request.type)

        async def answer(body: bytes, notes: Notes) -> bytes:
            call = self.scoring.begin(decode(decoder, body))
            decision = decide(call)
            if not decision.models:
                notes.update(_noted(call, decision))
            return _encode(decision)

        return Endpoint(path, summary, answer, Decision, request)

    def _auth(self, call: Call) -> Decision:
        found: dict[str, Scored] = {}
        absent = []
        for one in (FRAUD, RISK, APPROVAL):
            try:
                found[one.model] = self.scoring.score(one.model, call)
            except NoModel as error:
                absent.append(str(error))
        facts: dict[str, Any] = {}
        for one in (FRAUD, RISK, APPROVAL):
            facts |= found[one.model].cleaned if one.model in found else cleaned(call.request, one)
        said = {model: scored.assessment for model, scored in found.items()}
        decision, fired = rules.authorise(self.policy(), facts, _scores(said), absent)
        return self._decided(call, list(found.values()), decision, fired)

    def _retry(self, call: Call) -> Decision:
        fired = rules.against_retry(self.policy(), cleaned(call.request, RETRY))
        try:
            scored = self.scoring.score(RETRY.model, call)
        except NoModel:
            if not fired:
                raise
            return self._decided(call, [], GIVE_UP, fired)
        decision = GIVE_UP if fired else scored.assessment.decision
        wait = None if decision == GIVE_UP else float(scored.assessment.chosen or 0.0)
        return self._decided(call, [scored], decision, fired, wait_minutes=wait)

    def _route(self, call: Call) -> Decision:
        allowed, fired = rules.in_service(self.policy(), reference()["processors"]["names"])
        if not allowed:
            return self._decided(call, [], "none", fired)
        scored = self.scoring.score(ROUTING.model, call, allowed)
        return self._decided(call, [scored], "route", fired, processor=str(scored.assessment.chosen))

    def _decided(
        self, call: Call, found: Sequence[Scored], decision: str, fired: Sequence[FiredRule], **chosen: Any
    ) -> Decision:
        names = [one.rule for one in fired]
        for scored in found:
            self.scoring.record(scored, chosen.get("processor") or decision, names)
        answers = [one.answer() for one in found]
        model: Literal["none"] | None = None if found else "none"
        return Decision(
            request_id=call.request_id, decision=decision, model=model, rules=list(fired), models=answers, **chosen
        )


def _scores(said: Mapping[str, Assessment]) -> rules.Scores:
    fraud, risk, approval = (said.get(one.model) for one in (FRAUD, RISK, APPROVAL))
    return rules.Scores(
        fraud=None if fraud is None else fraud.probability,
        fraud_threshold=None if fraud is None else fraud.threshold,
        risk_tier=None if risk is None else risk.decision,
        approval=None if approval is None else approval.probability,
    )


def _noted(call: Call, decision: Decision) -> Notes:
    known = {name: getattr(call.request, name) for name in IDENTITY}
    rules_that_held = ", ".join(one.rule for one in decision.rules)
    notes = {"request_id": call.request_id, "decision": decision.decision, "rules": rules_that_held}
    return notes | {name: str(value) for name, value in known.items() if value is not None}


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

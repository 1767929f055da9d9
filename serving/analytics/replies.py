"""Answers that many ask for: made once for each state of the figures, and kept as they are sent."""

import gzip
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from serving.analytics.models import Progress
from serving.analytics.reports.sharing import Answer, Answers, SharedCall
from serving.dependencies import Clock, ClockDep, RowCountDep

HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key, Accept-Encoding"}
WORTH_COMPRESSING = 1000
"""Bytes."""
_LEVEL = 5


def takes_gzip(accept_encoding: str) -> bool:
    """Whether who sends this header understands gzip."""
    return "gzip" in accept_encoding


def answer(reply: BaseModel, rows: int) -> Answer:
    """A reply as it is sent, compressed here and not once per reader."""
    body = reply.model_dump_json(by_alias=True).encode()
    compressed = gzip.compress(body, _LEVEL, mtime=0) if len(body) >= WORTH_COMPRESSING else None
    return Answer(body, rows, compressed)


class Replies:
    """What a route answers with, so that every route shares its answers alike."""

    def __init__(
        self,
        progress: SharedCall[Progress],
        answers: Answers[Answer],
        clock: Clock,
        count_rows: Callable[[int], None],
        takes_gzip: bool,
    ) -> None:
        self.progress = progress
        self.answers = answers
        self.clock = clock
        self.count_rows = count_rows
        self.takes_gzip = takes_gzip

    async def of_this_second(self, asked: object, make: Callable[[], Awaitable[Answer]]) -> Response:
        """The answer about a window that ends now: made once a second, and anew for each batch and run of dbt."""
        progress = await self.progress()
        state = (progress.last_batch_id, progress.data_through, progress.batch_layer_writes)
        return await self.under(f"{asked!r} {state} {self.clock():%Y%m%d%H%M%S}", make)

    async def under(
        self, key: str, make: Callable[[], Awaitable[Answer]], headers: Mapping[str, str] = HEADERS
    ) -> Response:
        """The answer under a key that tells all it depends on."""
        found = await self.answers.get(key, make)
        self.count_rows(found.rows)
        if self.takes_gzip and found.compressed is not None:
            headers = {**headers, "Content-Encoding": "gzip"}
            return Response(found.compressed, media_type="application/json", headers=headers)
        return Response(found.body, media_type="application/json", headers=dict(headers))


async def _replies(
    request: Request,
    clock: ClockDep,
    count_rows: RowCountDep,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Replies:
    state = request.app.state
    return Replies(state.progress, state.answers, clock, count_rows, takes_gzip(accept_encoding))


RepliesDep = Annotated[Replies, Depends(_replies)]

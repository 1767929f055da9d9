"""What many ask at once is done once; who hangs up takes nothing from the others; failures are not kept."""

import asyncio
from dataclasses import dataclass, field

import httpx
import pytest

from serving.analytics.errors import StoreBusy
from serving.analytics.reports.sharing import Answer, Answers, SharedCall
from tests.unit.serving.conftest import Stopwatch
from tests.unit.serving.fakes import FakeAnalytics, FakeKeys

pytestmark = pytest.mark.anyio


@dataclass
class Work:
    """Counts its runs; each waits until it may go on."""

    runs: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    async def __call__(self) -> Answer:
        self.runs += 1
        number = self.runs
        await self.may_end.wait()
        if self.failure is not None:
            raise self.failure
        return Answer(str(number).encode(), number)


async def test_callers_at_the_same_time_share_a_call_and_later_ones_do_not() -> None:
    work = Work()
    shared = SharedCall(work)
    callers = [asyncio.create_task(shared()) for _ in range(20)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert {answer.rows for answer in await asyncio.gather(*callers)} == {1}
    assert (await shared()).rows == 2


async def test_an_answer_is_made_once_for_its_key() -> None:
    work, answers = Work(), Answers[Answer]()
    callers = [asyncio.create_task(answers.get(key, work)) for key in "aabba"]
    await asyncio.sleep(0)
    work.may_end.set()
    assert [answer.rows for answer in await asyncio.gather(*callers)] == [1, 1, 2, 2, 1]
    assert (await answers.get("a", work)).rows == 1


async def test_who_hangs_up_takes_nothing_from_the_others() -> None:
    work, answers = Work(), Answers[Answer]()
    first, second = (asyncio.create_task(answers.get("a", work)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert (await second).rows == 1
    assert work.runs == 1


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    work, answers = Work(failure=StoreBusy("busy")), Answers[Answer]()
    callers = [asyncio.create_task(answers.get("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    work.may_end.set()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(one, StoreBusy) for one in found)
    work.failure = None
    assert (await answers.get("a", work)).rows == 2


async def test_no_more_than_so_many_are_kept_the_latest_used() -> None:
    work, answers = Work(), Answers[Answer](most=2)
    work.may_end.set()
    for key in ("a", "b", "a", "c", "a"):
        await answers.get(key, work)
    assert work.runs == 3
    await answers.get("b", work)
    assert work.runs == 4


async def test_an_answer_is_given_for_its_time_and_one_that_takes_longer_to_all_who_wait(stopwatch: Stopwatch) -> None:
    work, answers = Work(), Answers[Answer](seconds=2)
    early = asyncio.create_task(answers.get("a", work))
    await asyncio.sleep(0)
    stopwatch.seconds = 3
    late = asyncio.create_task(answers.get("a", work))
    await asyncio.sleep(0)
    work.may_end.set()
    assert [(await one).rows for one in (early, late)] == [1, 1]
    assert (await answers.get("a", work)).rows == 2
    stopwatch.seconds = 4.9
    assert (await answers.get("a", work)).rows == 2
    stopwatch.seconds = 5
    assert (await answers.get("a", work)).rows == 3


async def test_what_is_not_worth_keeping_is_made_anew() -> None:
    work, answers = Work(), Answers[Answer](is_kept=lambda answer: answer.rows > 1)
    work.may_end.set()
    assert [(await answers.get("a", work)).rows for _ in range(3)] == [1, 2, 2]


async def test_a_report_is_read_once_per_batch_and_never_for_another_caller(
    client: httpx.AsyncClient, analytics: FakeAnalytics, keys: FakeKeys
) -> None:
    path = "/api/analytics/merchants?start=2026-03-01T00:00:00Z&end=2026-03-01T05:00:00Z"
    bodies = {reply.text for reply in await asyncio.gather(*(client.get(path) for _ in range(10)))}
    assert (len(bodies), len(analytics.reports)) == (1, 1)
    limited = await client.get(path, headers={"X-API-Key": keys.issue(merchants=["m-1"])})
    assert (limited.status_code, len(analytics.reports)) == (200, 2)
    analytics.batch += 1
    await client.get(path)
    assert len(analytics.reports) == 3


async def test_cursors_are_those_of_the_request_even_when_the_rows_are_shared(
    client: httpx.AsyncClient, analytics: FakeAnalytics
) -> None:
    analytics.groups = 9
    first = (await client.get("/api/analytics/merchants?limit=2")).json()
    named = f"start={first['start']}&end={first['end']}&limit=2"
    second = (await client.get(f"/api/analytics/merchants?{named}")).json()
    assert first["rows"] == second["rows"]
    assert first["next_cursor"] != second["next_cursor"]
    assert (await client.get(f"/api/analytics/merchants?{named}&cursor={second['next_cursor']}")).status_code == 200

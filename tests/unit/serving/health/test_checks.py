"""Dependency checks: bounded, concurrent, shared."""

import asyncio

import pytest

from serving.health.checks import Check, Finding, Health, Probe, Status

pytestmark = pytest.mark.anyio


def probe(finding: Finding | Exception, seconds: float = 0, runs: list[int] | None = None) -> Probe:
    async def run() -> Finding:
        if runs is not None:
            runs.append(1)
        await asyncio.sleep(seconds)
        if isinstance(finding, Exception):
            raise finding
        return finding

    return run


def check(name: str, made: Probe, *, required: bool = False, timeout: float = 30.0) -> Check:
    return Check(name, made, required=required, timeout=timeout)


UP = Finding("well")


async def test_a_dependency_that_never_answers_is_down_after_the_limit() -> None:
    result = await check("slow", probe(UP, seconds=60), timeout=0.1).result()
    assert (result.status, result.detail) == (Status.DOWN, "no answer within 0.1 s")


async def test_checks_run_at_the_same_time() -> None:
    everyone = asyncio.Barrier(10)

    async def meet() -> Finding:
        await everyone.wait()
        return UP

    report = await Health([check(str(n), meet) for n in range(10)]).report()
    assert report.status is Status.UP


async def test_impatient_callers_share_one_run() -> None:
    runs: list[int] = []
    shared = check("one", probe(UP, seconds=0.02, runs=runs))
    await asyncio.gather(*(shared.result() for _ in range(100)))
    assert len(runs) == 1


async def test_a_caller_that_gives_up_does_not_end_the_run_of_the_others() -> None:
    shared = check("one", probe(UP, seconds=0.05))
    impatient = asyncio.create_task(shared.result())
    patient = asyncio.create_task(shared.result())
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert (await patient).status is Status.UP


@pytest.mark.parametrize(
    ("required", "optional", "overall"),
    [
        (UP, UP, Status.UP),
        (UP, Finding("not asked", Status.UNCHECKED), Status.UP),
        (UP, ConnectionError("away"), Status.DEGRADED),
        (UP, Finding("old", Status.DEGRADED), Status.DEGRADED),
        (ConnectionError("away"), UP, Status.DOWN),
    ],
)
async def test_only_a_required_dependency_takes_the_whole_down(
    required: Finding | Exception, optional: Finding | Exception, overall: Status
) -> None:
    health = Health([check("a", probe(required), required=True), check("b", probe(optional))])
    assert (await health.report()).status is overall


async def test_readiness_asks_required_dependencies_alone() -> None:
    runs: list[int] = []
    health = Health([check("a", probe(UP), required=True), check("b", probe(UP, runs=runs))])
    assert list((await health.report(required_only=True)).dependencies) == ["a"]
    assert runs == []

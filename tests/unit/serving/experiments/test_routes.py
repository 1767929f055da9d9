"""The read-out as a client gets it, over counts that are given."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from serving.app import create_app
from serving.experiments.models import EXAMPLE, ArmCounts, ExperimentReply, ExperimentRow
from serving.settings import ApiSettings
from tests.unit.serving.fakes import NOW, FakeAnalytics, FakeKeys, FakeWriter

pytestmark = pytest.mark.anyio

ROW = ExperimentRow(
    name="by_network", model="smart_routing_policy", started_at=NOW - timedelta(days=7), newest_at=NOW, answers=90_000
)


class FakeExperiments:
    """One experiment, whose arms are given."""

    def __init__(self, arms: list[ArmCounts]) -> None:
        self.counts = arms

    async def found(self, name: str | None = None) -> list[ExperimentRow]:
        return [ROW] if name in (None, ROW.name) else []

    async def arms(self, name: str, model: str) -> list[ArmCounts]:
        return self.counts


def arm(name: str, units: int, successes: int, crossed: int = 0) -> ArmCounts:
    return ArmCounts(arm=name, versions=[6], keys=units + 10, units=units, successes=successes, crossed=crossed)


@pytest.fixture
def store() -> FakeExperiments:
    return FakeExperiments([arm("champion", 40_000, 35_000, 2), arm("challenger", 40_000, 36_000, 1)])


@pytest.fixture
def running() -> str:
    """The file of experiments that take part in decisions."""
    return "experiments = []"


@pytest.fixture
async def client(
    settings: ApiSettings, store: FakeExperiments, running: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    file = tmp_path / "experiments.toml"
    file.write_text(running)
    settings = settings.model_copy(update={"experiments_file": file})
    app = create_app(settings, FakeAnalytics(), None, lambda: NOW, FakeKeys(), FakeWriter(), store)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as it:
        yield it


async def test_experiments_are_listed(client: httpx.AsyncClient) -> None:
    found = (await client.get("/api/experiments")).raise_for_status().json()
    assert [one["name"] for one in found["experiments"]] == ["by_network"]


async def test_a_read_out_has_a_verdict_its_figures_and_its_assumptions(client: httpx.AsyncClient) -> None:
    (found,) = (await client.get("/api/experiments/by_network")).raise_for_status().json()
    (compared,) = found["comparisons"]
    assert compared["verdict"] == "better"
    assert compared["sequential"]["difference"] == pytest.approx(0.025)
    assert compared["sequential"]["low"] < compared["fixed_horizon"]["low"], "looking at any time costs width"
    assert found["split"]["keys_in_two_arms"] == 3
    assert found["success"] == "the attempt was approved"
    assert len(found["assumptions"]) >= 5


SPLIT = '[[experiments]]\nname = "by_network"\nmodel = "smart_routing_policy"\nkind = "{}"\nshare = 0.25'


@pytest.mark.parametrize("running", [SPLIT.format("split")])
async def test_a_running_split_is_held_to_the_share_it_runs_with(client: httpx.AsyncClient) -> None:
    (found,) = (await client.get("/api/experiments/by_network")).raise_for_status().json()
    assert found["split"]["planned_keys"] == {"champion": 0.75 * 80_020, "challenger": 0.25 * 80_020}
    assert found["split"]["is_broken"]
    assert found["comparisons"][0]["verdict"] == "broken"


@pytest.mark.parametrize(
    "running", ["experiments = []", SPLIT.format("shadow"), SPLIT.format("split").replace("by", "to")]
)
async def test_without_a_split_of_that_name_no_sizes_are_expected(client: httpx.AsyncClient) -> None:
    (found,) = (await client.get("/api/experiments/by_network")).raise_for_status().json()
    assert found["split"]["planned_keys"] == {}


async def test_before_the_planned_size_there_is_no_fixed_test(
    client: httpx.AsyncClient, store: FakeExperiments
) -> None:
    store.counts = [arm("champion", 500, 440), arm("challenger", 500, 450)]
    (found,) = (await client.get("/api/experiments/by_network")).raise_for_status().json()
    assert found["comparisons"][0]["fixed_horizon"] is None
    assert found["comparisons"][0]["planned_units"]["champion"] > 500


@pytest.mark.parametrize("counts", [[], [arm("challenger", 5, 5)], [arm("champion", 0, 0), arm("challenger", 0, 0)]])
async def test_nothing_to_compare_is_an_answer_too(
    client: httpx.AsyncClient, store: FakeExperiments, counts: list[ArmCounts]
) -> None:
    store.counts = counts
    (found,) = (await client.get("/api/experiments/by_network")).raise_for_status().json()
    assert all(one["verdict"] == "undecided" for one in found["comparisons"])


async def test_an_unknown_experiment_is_a_problem(client: httpx.AsyncClient) -> None:
    found = await client.get("/api/experiments/nothing")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["%00", "a%0ab", "x" * 201])
async def test_a_name_that_none_can_have_is_refused(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/api/experiments/{name}")).status_code == 422


def test_the_example_is_a_read_out() -> None:
    ExperimentReply.model_validate(EXAMPLE)

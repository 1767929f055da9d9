"""What the best possible model could score."""

import pytest

from producer.ceiling import Ceiling, measure
from producer.schedule import Schedule
from producer.simulator import Scenario


@pytest.fixture(scope="module")
def ceiling() -> Ceiling:
    return measure(Scenario(seed=7, schedule=Schedule(1, 0), customers=20_000), purchases=12_000)


def test_the_figures_that_models_have_to_beat_are_within_reach(ceiling: Ceiling) -> None:
    assert 0.85 <= ceiling.tasks["approval"]["approval rate"] <= 0.90
    assert ceiling.tasks["approval"]["accuracy"] >= 0.925
    assert ceiling.tasks["fraud"]["precision"] >= 0.80
    assert ceiling.tasks["fraud"]["recall"] >= 0.70
    assert ceiling.tasks["routing"]["one processor is best (by > 0.001)"] >= 0.80
    assert ceiling.tasks["routing"]["approval uplift of the best, points"] > 0.5
    assert ceiling.tasks["retry"]["accuracy"] >= 0.81


def test_waiting_long_enough_recovers_more_than_the_world_does(ceiling: Ceiling) -> None:
    retry = ceiling.tasks["retry"]

    assert retry["declined value recovered by the best wait"] > 1.5 * retry["declined value recovered by the world"]


def test_the_table_has_a_line_for_every_figure(ceiling: Ceiling) -> None:
    assert len(ceiling.lines()) == 1 + sum(len(figures) for figures in ceiling.tasks.values())

"""The arms of an experiment, counted in the log by the API's own role."""

from datetime import UTC, datetime, timedelta

import psycopg

from local.platform import Platform
from serving.experiments.repository import ARMS, EXPERIMENTS
from tests.integration.watching.conftest import Log

ROUTING = "smart_routing_policy"


def test_arms_are_counted_by_key(log: Log, own: Platform) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)

    def answer(key: str, arm: str, outcome: bool | None, seconds: int = 0, **more: object) -> None:
        row = log.inference(
            at + timedelta(seconds=seconds), {}, 0.9, model=ROUTING, arm=arm, experiment="split", split_key=key, **more
        )
        log.add(row)
        if outcome is not None:
            log.connection.execute(
                "insert into ops.inference_outcomes values (%s, %s, %s, %s, %s)",
                [row["at"], row["request_id"], row["model"], row["version"], outcome],
            )

    answer("a", "champion", None)
    answer("a", "champion", True, 1)
    answer("a", "champion", False, 2)
    answer("b", "champion", False)
    answer("c", "challenger", True, version=4)
    answer("d", "challenger", None, version=4)
    answer("crossed", "champion", True)
    answer("crossed", "challenger", True, 1, version=4)
    answer("e", "shadow", True)
    with psycopg.connect(own.site.database_url("api")) as connection:
        found = connection.execute(ARMS, {"name": "split", "model": ROUTING, "by_rightness": False}).fetchall()
        listed = connection.execute(EXPERIMENTS, {"name": None}).fetchall()
    assert found == [("champion", [3], 2, 2, 1, 0), ("challenger", [4], 2, 1, 1, 1)]
    assert [(row[0], row[1], row[4]) for row in listed] == [("split", ROUTING, 9)]

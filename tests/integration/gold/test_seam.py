"""What keeps an hour from being counted twice when dbt is killed, or run twice at once."""

import time

from spark_jobs.stream.cubes import CUBES
from tests.integration.gold.conftest import Warehouse
from tests.integration.gold.speed_layer import write_batch
from tests.integration.gold.test_views import assert_views_equal, history, steady

KILLED_AFTER_S = 2.5
KEYS = {frozenset(cube.key) for cube in CUBES if cube.time == "hour"}
_UNIQUE = """
select
    relname,
    coalesce(
        (
            select array_agg(attname::text)
            from pg_index
            join pg_attribute on pg_attribute.attrelid = indrelid and attnum = any(indkey)
            where indrelid = pg_class.oid and indisunique and indpred is null
        ),
        '{}'
    )
from pg_class
where relnamespace = 'gold'::regnamespace and relkind = 'r' and relname ~ '^int_'
"""


def test_every_counted_table_refuses_a_second_row_of_a_key(warehouse: Warehouse) -> None:
    """Two runs at once may both insert an hour: the second has to fail, for nothing else would tell."""
    with warehouse.connect("dbt") as connection:
        found = {name: frozenset(columns) for name, columns in connection.execute(_UNIQUE).fetchall()}
    assert len(found) >= 13
    assert all("hour" in columns for columns in found.values()), found
    assert set(found.values()) >= KEYS


def test_views_are_exact_when_dbt_is_killed_and_when_it_runs_twice_at_once(empty_warehouse: Warehouse) -> None:
    warehouse, attempts = empty_warehouse, history(seed=5)
    counting = ("run", "--select", "tag:batch_layer")
    with warehouse.connect("stream") as stream:
        write_batch(stream, 1, attempts)
        killed = warehouse.start_dbt(*counting)
        time.sleep(KILLED_AFTER_S)
        killed.kill()
        killed.communicate()
        steady()
        assert_views_equal(warehouse, attempts)
        # One of them may fail on a key that the other one was faster with; then it has written nothing there.
        for running in [warehouse.start_dbt(*counting) for _ in range(2)]:
            running.communicate()
        steady()
        assert_views_equal(warehouse, attempts)

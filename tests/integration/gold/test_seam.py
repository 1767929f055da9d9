"""What keeps an hour from being counted twice when dbt runs twice at once."""

from spark_jobs.stream.cubes import CUBES
from tests.integration.gold.conftest import Warehouse

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

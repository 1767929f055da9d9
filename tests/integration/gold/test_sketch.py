"""SQL counts and reads the latency sketch as Python does."""

import re

import psycopg
import pyarrow as pa
import pytest
from jinja2 import Environment

from domain.sketch import bound_of, bucket_of, middle_of
from local.repository import ROOT
from spark_jobs.stream import cubes
from tests.integration.gold.conftest import Warehouse

LATENCIES = sorted({*range(-5, 400), *(round(1.07**k) for k in range(90, 300)), 3_600_000, 2**31 - 1})


def macro(call: str) -> str:
    """What a macro of the dbt project gives."""
    text = (ROOT / "dbt/macros/flags.sql").read_text()
    return Environment(autoescape=False).from_string(f"{text}{{{{ {call} }}}}").render().strip()


@pytest.fixture(scope="module")
def connection(warehouse: Warehouse) -> psycopg.Connection:
    return warehouse.connect("dbt")


def test_the_batch_layer_puts_each_latency_into_the_streams_bucket(connection: psycopg.Connection) -> None:
    bucket = macro("latency_bucket('ms')")
    rows = connection.execute(f"select ms, {bucket} from unnest(%s::bigint[]) as ms", [LATENCIES]).fetchall()
    assert dict(rows) == {ms: bucket_of(ms) for ms in LATENCIES}
    assert cubes.latency_buckets(pa.array(LATENCIES)).to_pylist() == [bucket_of(ms) for ms in LATENCIES]


def test_the_migration_that_filled_the_cubes_used_the_same_buckets(connection: psycopg.Connection) -> None:
    filled = (ROOT / "postgres/migrations/sql/0008_fill_cubes.sql").read_text()
    (bucket,) = re.findall(r"^ +(ceil\(ln\(greatest\(processing_latency_ms.*integer),$", filled, re.MULTILINE)
    rows = connection.execute(
        f"select processing_latency_ms, {bucket} from unnest(%s::bigint[]) as processing_latency_ms", [LATENCIES]
    ).fetchall()
    assert dict(rows) == {ms: bucket_of(ms) for ms in LATENCIES}


def test_bounds_and_middles_are_those_of_python(connection: psycopg.Connection) -> None:
    bound_sql, middle_sql = macro("latency_bucket_bound('k')"), macro("latency_bucket_middle('k')")
    rows = connection.execute(f"select k, {bound_sql}, {middle_sql} from generate_series(0, 1000) as k").fetchall()
    assert len(rows) == 1001
    for bucket, bound, middle in rows:
        assert float(bound) == pytest.approx(bound_of(bucket), rel=1e-9, abs=1e-6)
        assert float(middle) == pytest.approx(middle_of(bucket), rel=1e-9, abs=0.0006)

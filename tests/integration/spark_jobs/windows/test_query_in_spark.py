"""Spark makes the same rows of the declarations as the oracle."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from domain.windows import windows
from spark_jobs.windows.gold import schema
from spark_jobs.windows.query import window_query
from tests.integration.spark_jobs.windows.conftest import NOON, SILVER, Desk, by_key, measures
from tests.integration.spark_jobs.windows.oracle import expected
from tests.integration.spark_jobs.windows.test_job import edges


@pytest.fixture(scope="module")
def bought(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(Path(tmp_path_factory.mktemp("spark")), "unused")
    desk.bought = [*desk.some(300, NOON - timedelta(hours=14), NOON + timedelta(hours=1)), *edges()]
    rows = [{**one._asdict(), "event_timestamp": one.at, "event_date": one.at.date()} for one in desk.bought]
    spark.createDataFrame(pa.Table.from_pylist(rows, schema=SILVER)).createOrReplaceTempView("purchases_bought")
    return desk


@pytest.mark.parametrize("name", windows())
def test_spark_computes_what_the_events_say(spark: SparkSession, bought: Desk, name: str) -> None:
    found = spark.sql(window_query(windows()[name], "purchases_bought", "spark")).toArrow()
    rows = by_key(name, found.cast(schema(windows()[name])).to_pylist())
    assert {key: measures(row) for key, row in rows.items()} == expected(name, bought.bought)
    assert all(row["date"] == key[0].date() for key, row in rows.items())

"""The JVM keeps nothing of a batch that is done."""

from pyspark.sql import SparkSession

from domain.contracts import topics

from .conftest import collect, encode
from .events import payment

PAYMENTS = topics()["payments.transactions"]


def test_no_reader_of_a_schema_outlives_its_batch(spark: SparkSession) -> None:
    assert collect(spark, PAYMENTS, [encode(PAYMENTS, payment())]).num_rows == 1
    builder = spark._jvm.org.apache.avro.generic.GenericData.get().getFastReaderBuilder()  # type: ignore[union-attr]
    cache = builder.getClass().getDeclaredField("readerCache")
    cache.setAccessible(True)
    assert cache.get(builder).size() == 0

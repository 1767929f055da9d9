"""A database with nothing scored in it."""

from collections.abc import Iterator

import psycopg
import pytest

from local.platform import Platform
from tests.integration.spark_jobs.fraud.purchases import Connection, connect


@pytest.fixture
def connection(platform: Platform) -> Iterator[Connection]:
    platform.start("postgres", "migrate")
    tables = "fraud_scores, fraud_score_revisions, customer_history, device_history, merchant_history"
    with psycopg.connect(platform.site.database_url("postgres"), autocommit=True) as owner:
        owner.execute(f"truncate {', '.join('live.' + name for name in tables.split(', '))}")
    with connect(platform) as stream:
        stream.execute("select live.ensure_partitions('fraud_scores', '{2026-03-03,2026-03-04,2026-03-05}')")
        yield stream

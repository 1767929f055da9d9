"""A database of these tests' own: they make logins, and count every row there is."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from local.platform import Platform
from local.ports import Ports
from postgres.migrate import migrate
from postgres.settings import MigrateSettings

PURCHASES = 600
HOURS = 3


@dataclass(frozen=True)
class Site:
    """Postgres, migrated, with payments of three merchants in three hours."""

    platform: Platform

    def url(self, role: str) -> str:
        return self.platform.site.database_url(role)

    def connect(self, role: str) -> psycopg.Connection:
        return psycopg.connect(self.url(role), autocommit=True)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Platform(tmp_path_factory.mktemp("access") / "platform", Ports.free()) as platform:
        platform.start("postgres")
        known = {name.lower(): value for name, value in platform.env.items()}
        migrate(
            MigrateSettings.model_validate({name: known[name] for name in known.keys() & MigrateSettings.model_fields})
        )
        found = Site(platform)
        with found.connect("postgres") as connection:
            fill(connection)
        yield found


def fill(connection: psycopg.Connection) -> None:
    """Purchases of m-1 (one in six), m-2 and m-3; each with its checkout, one in ten tried again."""
    for table in ("payments", "transactions"):
        connection.execute("select live.ensure_partitions(%s, '{2026-02-28, 2026-03-01}')", [table])
    connection.execute(PAYMENTS, {"purchases": PURCHASES, "hours": HOURS})
    connection.execute(CHECKOUTS)
    connection.execute(
        "insert into live.payment_hours select date_trunc('hour', event_timestamp), 1 from live.payments group by 1"
    )
    connection.execute("analyze live.payments")


PAYMENTS = """
insert into live.payments (
    event_id, transaction_id, event_timestamp,
    merchant_id, merchant_segment, merchant_country, issuer_country, issuer, card_network, card_bin,
    amount_minor, amount_usd_minor, currency, payment_solution, processor, uses_3ds, is_network_token,
    fraud_score, aml_risk_score, device_trust_score, velocity_score,
    attempt_number, is_approved, decline_reason, processing_latency_ms, fee_minor, pipeline_error, schema_version,
    risk_tier, amount_bucket, is_cross_border, composite_risk_score,
    is_late, arrived_at, source_partition, source_offset
)
select
    'event-' || n, 'purchase-' || case when n %% 60 >= 54 then n - 6 else n end,
    '2026-03-01'::timestamptz + n * interval '1 hour' * %(hours)s / %(purchases)s,
    'm-' || (least(n %% 6, 2) + 1), 'Retail', 'DE', 'FR', 'Bank of ' || n %% 7, 'Visa', (400000 + n)::text,
    100 * n, 110 * n, 'EUR', 'standard', 'ProcessorA', false, false,
    0.1, 0.1, 0.9, 0.1,
    1 + (n %% 60 >= 54)::integer, n %% 5 > 0, case when n %% 5 = 0 then 'do_not_honor' end, 100, 30, false, 1,
    'LOW', 'medium', true, 0.1,
    false, now(), 0, n
from generate_series(0, %(purchases)s - 1) as n
"""

CHECKOUTS = """
insert into live.transactions (
    transaction_id, event_timestamp, user_id, amount, merchant, is_fraud, payment_method, city, country, device_id,
    amount_category, is_high_value, is_late, arrived_at, source_partition, source_offset
)
select distinct on (transaction_id)
    transaction_id, event_timestamp - interval '1 millisecond', substr(card_bin, 4)::integer / 12, amount_minor / 100.0,
    merchant_id, false, 'credit_card', 'Berlin', 'DE', 'device-' || substr(card_bin, 4)::integer / 24,
    'medium', false, false, now(), 0, source_offset
from live.payments
order by transaction_id, event_timestamp
"""

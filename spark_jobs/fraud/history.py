"""The newest state of customers, devices and merchants in Postgres: a batch adds to it and learns what was before.

One statement per kind of key locks, reads and writes its rows, in the order of the keys, so that several streams that
meet the same customer wait for each other and none misses what the other added.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_jobs.exchange import Cursor, copy_out, stage
from spark_jobs.fraud.groups import Groups, Int64s
from spark_jobs.fraud.velocity import Times

RECENT_US = 7_200_000_000
"""Purchases this far before a customer's newest are at hand for `velocity_30m`; older ones are looked up."""

MOST_RECENT = 512
"""No more are kept at hand. One customer id with more in half an hour is no person: its velocity is this number."""

_PAIRS = """
    with fresh as (
        insert into live.customer_devices
        select user_id, device_id, first_seen_at from staged_pairs order by user_id, device_id
        on conflict do nothing returning user_id, device_id
    )
    select number from staged_pairs join fresh using (user_id, device_id)
"""
_CUSTOMERS = f"""
    with known as (
        insert into live.customer_history as known
            (user_id, transactions, amount_cents, devices, last_at, recent_us, recent_from_us)
        select user_id, transactions, amount_cents, devices, last_at, recent_us, 0
        from staged_customers order by user_id
        on conflict (user_id) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            devices = known.devices + excluded.devices,
            last_at = greatest(known.last_at, excluded.last_at),
            (recent_from_us, recent_us) = (
                select edge, array(select at from unnest(known.recent_us) at where at > edge) || excluded.recent_us
                from (
                    select greatest(
                        known.recent_from_us,
                        (select max(at) from unnest(known.recent_us) at) - {RECENT_US},
                        case when cardinality(known.recent_us) > {MOST_RECENT} then
                            (select at from unnest(known.recent_us) at order by at desc offset {MOST_RECENT} limit 1)
                        end
                    ) as edge
                ) edges
            )
        returning user_id, transactions, amount_cents, devices, recent_from_us, recent_us
    )
    select number, known.transactions, known.amount_cents, known.devices, recent_from_us,
        array_to_string(known.recent_us, ' ')
    from staged_customers join known using (user_id)
"""
_DEVICES = """
    with known as (
        insert into live.device_history as known
        select device_id, transactions, amount_cents, users, last_at from staged_devices order by device_id
        on conflict (device_id) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            users = known.users + excluded.users,
            last_at = greatest(known.last_at, excluded.last_at)
        returning device_id, transactions, amount_cents, users
    )
    select number, known.transactions, known.amount_cents, known.users from staged_devices join known using (device_id)
"""
_MERCHANTS = """
    with known as (
        insert into live.merchant_history as known
        select merchant, transactions, amount_cents, last_at from staged_merchants order by merchant
        on conflict (merchant) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            last_at = greatest(known.last_at, excluded.last_at)
        returning merchant, transactions, amount_cents
    )
    select number, known.transactions, known.amount_cents from staged_merchants join known using (merchant)
"""


@dataclass(frozen=True)
class Purchases:
    """A batch's purchases as columns, in the order of event time and, at the same instant, of arrival."""

    rows: pa.Table
    at_us: Int64s
    amount_cents: Int64s
    user_ids: npt.NDArray[np.int32]
    """The distinct customers, ascending."""
    devices: pa.Array
    merchants: pa.Array
    of_user: Groups
    of_device: Groups
    of_merchant: Groups

    @classmethod
    def of(cls, rows: pa.Table) -> "Purchases":
        """Purchases of Silver rows."""
        rows = rows.sort_by([(name, "ascending") for name in ("event_timestamp", "source_partition", "source_offset")])
        user_ids, of_user = np.unique(rows.column("user_id").to_numpy(), return_inverse=True)
        devices, of_device = _encoded(rows.column("device_id"))
        merchants, of_merchant = _encoded(rows.column("merchant"))
        return cls(
            rows=rows,
            at_us=rows.column("event_timestamp").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy(),
            amount_cents=np.floor(rows.column("amount").to_numpy() * 100 + 0.5).astype(np.int64),
            user_ids=user_ids,
            devices=devices,
            merchants=merchants,
            of_user=Groups(of_user.astype(np.int64), len(user_ids)),
            of_device=Groups(of_device, len(devices)),
            of_merchant=Groups(of_merchant, len(merchants)),
        )

    @property
    def times(self) -> Times:
        """When each happened, by customer."""
        return Times(self.of_user.codes, self.at_us)


@dataclass(frozen=True)
class Known:
    """What was known before each purchase of a batch, and which of their customers' times."""

    features: dict[str, npt.NDArray[Any]]
    """Columns of fraud_scores, a value per purchase."""
    recent: Times
    """Recent times of the customers, the batch's own left out."""
    recent_from_us: Int64s
    """Per customer: times up to here may be missing in `recent`."""


def add(cursor: Cursor, purchases: Purchases) -> Known:
    """Add the purchases to the history and tell what was known before each of them."""
    is_new = _new_pairs(cursor, purchases)
    customers, recent, recent_from_us = _customers(cursor, purchases, is_new)
    return Known(
        {
            **customers,
            "user_seconds_since_last": _seconds_since_last(purchases, recent),
            "is_new_device": is_new.astype(np.bool_),
            **_devices(cursor, purchases, is_new),
            **_merchants(cursor, purchases),
        },
        recent,
        recent_from_us,
    )


def _new_pairs(cursor: Cursor, purchases: Purchases) -> Int64s:
    """Marks with 1 each purchase that shows its customer on its device for the first time."""
    pairs = purchases.of_user.codes * len(purchases.devices) + purchases.of_device.codes
    _, first = np.unique(pairs, return_index=True)
    staged = pa.table(
        {
            "number": np.arange(len(first)),
            "user_id": purchases.rows.column("user_id").take(pa.array(first)),
            "device_id": purchases.rows.column("device_id").take(pa.array(first)),
            "first_seen_at": purchases.rows.column("event_timestamp").take(pa.array(first)),
        }
    )
    types = {"number": "int", "user_id": "int", "device_id": "text", "first_seen_at": "timestamptz"}
    stage(cursor, "staged_pairs", types, staged)
    fresh = copy_out(cursor, _PAIRS, {"number": pa.int64()})
    is_new = np.zeros(len(pairs), dtype=np.int64)
    is_new[first[fresh.column("number").to_numpy()]] = 1
    return is_new


def _customers(
    cursor: Cursor, purchases: Purchases, is_new: Int64s
) -> tuple[dict[str, npt.NDArray[Any]], Times, Int64s]:
    groups = purchases.of_user
    order = np.argsort(groups.codes, kind="stable")
    offsets = np.append(0, np.cumsum(groups.rows())).astype(np.int32)
    texts = pa.array(purchases.at_us[order]).cast(pa.string())
    times = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), texts), ",")
    added = {"transactions": groups.rows(), "amount_cents": groups.sums(purchases.amount_cents)}
    added["devices"] = groups.sums(is_new)
    staged = pa.table(
        {
            "number": np.arange(groups.count),
            "user_id": purchases.user_ids,
            **added,
            "last_at": instants(groups.largest(purchases.at_us)),
            "recent_us": pc.binary_join_element_wise("{", times, "}", ""),
        }
    )
    types = {"user_id": "int", **_TALLY, "devices": "bigint", "recent_us": "bigint[]"}
    stage(cursor, "staged_customers", types, staged)
    columns = {name: pa.int64() for name in ("number", *added, "recent_from_us")}
    known = copy_out(cursor, _CUSTOMERS, {**columns, "recent_us": pa.string()}).sort_by("number")
    features = {
        "user_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "user_amount_cents": _before(known, added, "amount_cents", groups)
        + groups.earlier_sums(purchases.amount_cents),
        "user_devices": _before(known, added, "devices", groups) + groups.earlier_sums(is_new),
    }
    return features, _kept(known.column("recent_us"), groups.rows()), known.column("recent_from_us").to_numpy()


def _devices(cursor: Cursor, purchases: Purchases, is_new: Int64s) -> dict[str, npt.NDArray[Any]]:
    groups = purchases.of_device
    added = {
        "transactions": groups.rows(),
        "amount_cents": groups.sums(purchases.amount_cents),
        "users": groups.sums(is_new),
    }
    staged = pa.table(
        {
            "number": np.arange(groups.count),
            "device_id": purchases.devices,
            **added,
            "last_at": instants(groups.largest(purchases.at_us)),
        }
    )
    stage(cursor, "staged_devices", {"device_id": "text", **_TALLY, "users": "bigint"}, staged)
    known = copy_out(cursor, _DEVICES, {name: pa.int64() for name in ("number", *added)}).sort_by("number")
    return {
        "device_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "device_users": _before(known, added, "users", groups) + groups.earlier_sums(is_new),
    }


def _merchants(cursor: Cursor, purchases: Purchases) -> dict[str, npt.NDArray[Any]]:
    groups = purchases.of_merchant
    added = {"transactions": groups.rows(), "amount_cents": groups.sums(purchases.amount_cents)}
    staged = pa.table(
        {
            "number": np.arange(groups.count),
            "merchant": purchases.merchants,
            **added,
            "last_at": instants(groups.largest(purchases.at_us)),
        }
    )
    stage(cursor, "staged_merchants", {"merchant": "text", **_TALLY}, staged)
    known = copy_out(cursor, _MERCHANTS, {name: pa.int64() for name in ("number", *added)}).sort_by("number")
    return {
        "merchant_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "merchant_amount_cents": _before(known, added, "amount_cents", groups)
        + groups.earlier_sums(purchases.amount_cents),
    }


_TALLY = {"number": "int", "transactions": "bigint", "amount_cents": "bigint", "last_at": "timestamptz"}


def _before(known: pa.Table, added: dict[str, Int64s], column: str, groups: Groups) -> Int64s:
    """Per purchase, the figure of its key before the batch."""
    before: Int64s = known.column(column).to_numpy() - added[column]
    return before[groups.codes]


def _kept(recent: pa.ChunkedArray, own: Int64s) -> Times:
    """The times in the texts, the last `own` of each left out: these are the batch's."""
    texts = recent.combine_chunks()
    lists = pc.split_pattern(texts, " ")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    times = Times(np.repeat(np.arange(len(lengths)), lengths), lists.flatten().cast(pa.int64()).to_numpy())
    return times.of(place < np.repeat(lengths - own, lengths))


def _seconds_since_last(purchases: Purchases, recent: Times) -> npt.NDArray[np.float64]:
    """Seconds since the customer's newest purchase before; 0 when that one is later, NaN when there is none."""
    nothing = np.iinfo(np.int64).min
    newest = np.full(purchases.of_user.count, nothing)
    np.maximum.at(newest, recent.customers, recent.at)
    order = np.argsort(purchases.of_user.codes, kind="stable")
    previous = np.full(len(order), nothing)
    same = purchases.of_user.codes[order][1:] == purchases.of_user.codes[order][:-1]
    previous[order[1:][same]] = purchases.at_us[order[:-1][same]]
    last = np.maximum(newest[purchases.of_user.codes], previous)
    return np.where(last == nothing, np.nan, np.maximum(purchases.at_us - np.where(last == nothing, 0, last), 0) / 1e6)


def _encoded(column: pa.ChunkedArray) -> tuple[pa.Array, Int64s]:
    """The distinct values and, per row, the number of its own."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)


def instants(at_us: Int64s) -> pa.Array:
    """Microseconds since 1970 as instants."""
    return pa.array(at_us).cast(pa.timestamp("us", "UTC"))

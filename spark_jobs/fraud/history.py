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

from spark_jobs.exchange import Cursor, ask, lines
from spark_jobs.fraud.groups import Groups, Int64s
from spark_jobs.fraud.velocity import Times

RECENT_US = 3_600_000_000
"""Purchases this far before a customer's newest are at hand for `velocity_30m`; older ones are looked up."""

FEW = 8
"""So many are kept whatever their age: most customers never need theirs sorted out."""

MOST_RECENT = 512
"""No more are kept at hand. One customer id with more in half an hour is no person: its velocity is this number."""

MOST_USERS = 64
"""No more customers are remembered of a device; one with more is shared by all the world, and nobody is new on it."""

_CUSTOMERS = f"""
    with staged as materialized (select * from {{staged}}),
    known as (
        insert into live.customer_history as known
            (user_id, transactions, amount_cents, devices, last_at, recent_us, recent_from_us)
        select user_id, transactions, amount_cents, devices, last_at, recent_us::bigint[], 0
        from staged order by user_id
        on conflict (user_id) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            devices = known.devices + excluded.devices,
            last_at = greatest(known.last_at, excluded.last_at),
            (recent_from_us, recent_us) = (
                select edge, case
                    when edge = known.recent_from_us then known.recent_us
                    else array(select at from unnest(known.recent_us) at where at > edge)
                end || excluded.recent_us
                from (
                    select case when cardinality(known.recent_us) <= {FEW} then known.recent_from_us else greatest(
                        known.recent_from_us,
                        (extract(epoch from known.last_at) * 1000000)::bigint - {RECENT_US},
                        case when cardinality(known.recent_us) > {MOST_RECENT} then
                            (select at from unnest(known.recent_us) at order by at desc offset {MOST_RECENT} limit 1)
                        end
                    ) end as edge offset 0
                ) edges
            )
        returning user_id, transactions, amount_cents, devices, recent_from_us, recent_us
    )
    select {
    lines(
        "number",
        "known.transactions",
        "known.amount_cents",
        "known.devices",
        "recent_from_us",
        "array_to_string(known.recent_us, ' ')",
    )
}
    from staged join known using (user_id)
"""
_DEVICES = f"""
    with staged as materialized (select * from {{staged}}),
    known as (
        insert into live.device_history as known
            (device_id, transactions, amount_cents, last_at, user_ids, users_before)
        select device_id, transactions, amount_cents, last_at, user_ids::int[], 0 from staged order by device_id
        on conflict (device_id) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            last_at = greatest(known.last_at, excluded.last_at),
            users_before = cardinality(known.user_ids),
            user_ids = case
                when excluded.user_ids <@ known.user_ids or cardinality(known.user_ids) >= {MOST_USERS}
                then known.user_ids
                else known.user_ids
                    || array(select one from unnest(excluded.user_ids) one where one <> all (known.user_ids))
            end
        returning device_id, transactions, amount_cents, users_before, user_ids
    )
    select {
    lines(
        "number",
        "known.transactions",
        "known.amount_cents",
        "users_before",
        "array_to_string(known.user_ids[:users_before], ' ')",
    )
}
    from staged join known using (device_id)
"""
_MERCHANTS = f"""
    with staged as materialized (select * from {{staged}}),
    known as (
        insert into live.merchant_history as known
        select merchant, transactions, amount_cents, last_at from staged order by merchant
        on conflict (merchant) do update set
            transactions = known.transactions + excluded.transactions,
            amount_cents = known.amount_cents + excluded.amount_cents,
            last_at = greatest(known.last_at, excluded.last_at)
        returning merchant, transactions, amount_cents
    )
    select {lines("number", "known.transactions", "known.amount_cents")} from staged join known using (merchant)
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
    devices, is_new = _devices(cursor, purchases)
    customers, recent, recent_from_us = _customers(cursor, purchases, is_new)
    return Known(
        {
            **customers,
            "user_seconds_since_last": _seconds_since_last(purchases, recent),
            "is_new_device": is_new.astype(np.bool_),
            **devices,
            **_merchants(cursor, purchases),
        },
        recent,
        recent_from_us,
    )


def _customers(
    cursor: Cursor, purchases: Purchases, is_new: Int64s
) -> tuple[dict[str, npt.NDArray[Any]], Times, Int64s]:
    groups = purchases.of_user
    added = {"transactions": groups.rows(), "amount_cents": groups.sums(purchases.amount_cents)}
    added["devices"] = groups.sums(is_new)
    staged = pa.table(
        {
            "number": np.arange(groups.count),
            "user_id": purchases.user_ids,
            **added,
            "last_at": instants(groups.largest(purchases.at_us)),
            "recent_us": _array_texts(purchases.at_us[np.argsort(groups.codes, kind="stable")], groups.rows()),
        }
    )
    types = {"user_id": "int", **_TALLY, "devices": "bigint", "recent_us": "text"}
    answer = {**_numbers(*added, "recent_from_us"), "recent_us": pa.string()}
    known = ask(cursor, _CUSTOMERS, types, staged, answer).sort_by("number")
    features = {
        "user_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "user_amount_cents": _before(known, added, "amount_cents", groups)
        + groups.earlier_sums(purchases.amount_cents),
        "user_devices": _before(known, added, "devices", groups) + groups.earlier_sums(is_new),
    }
    return features, _kept(known.column("recent_us"), groups.rows()), known.column("recent_from_us").to_numpy()


def _devices(cursor: Cursor, purchases: Purchases) -> tuple[dict[str, npt.NDArray[Any]], Int64s]:
    """Features of the devices, and a 1 for each purchase that shows its customer on its device for the first time."""
    groups, count = purchases.of_device, len(purchases.user_ids)
    pairs, first = np.unique(groups.codes * count + purchases.of_user.codes, return_index=True)
    of_pair, user_ids = pairs // count, purchases.user_ids[pairs % count].astype(np.int64)
    added = {"transactions": groups.rows(), "amount_cents": groups.sums(purchases.amount_cents)}
    staged = pa.table(
        {
            "number": np.arange(groups.count),
            "device_id": purchases.devices,
            **added,
            "last_at": instants(groups.largest(purchases.at_us)),
            "user_ids": _array_texts(user_ids, np.bincount(of_pair, minlength=groups.count)),
        }
    )
    answer = {**_numbers(*added, "users_before"), "user_ids": pa.string()}
    known = ask(cursor, _DEVICES, {"device_id": "text", **_TALLY, "user_ids": "text"}, staged, answer).sort_by("number")
    users_before = known.column("users_before").to_numpy()
    met = _in_lists(known.column("user_ids"))
    is_met = np.isin(_pair_numbers(of_pair, user_ids), _pair_numbers(met.customers, met.at))
    is_new = np.zeros(len(groups.codes), dtype=np.int64)
    is_new[first[~is_met & (users_before[of_pair] < MOST_USERS)]] = 1
    return {
        "device_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "device_users": np.minimum(users_before[groups.codes] + groups.earlier_sums(is_new), MOST_USERS),
    }, is_new


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
    known = ask(cursor, _MERCHANTS, {"merchant": "text", **_TALLY}, staged, _numbers(*added)).sort_by("number")
    return {
        "merchant_transactions": _before(known, added, "transactions", groups) + groups.earlier_rows(),
        "merchant_amount_cents": _before(known, added, "amount_cents", groups)
        + groups.earlier_sums(purchases.amount_cents),
    }


_TALLY = {"number": "int", "transactions": "bigint", "amount_cents": "bigint", "last_at": "timestamptz"}


def _numbers(*names: str) -> dict[str, pa.DataType]:
    return dict.fromkeys(("number", *names), pa.int64())


def _before(known: pa.Table, added: dict[str, Int64s], column: str, groups: Groups) -> Int64s:
    """Per purchase, the figure of its key before the batch."""
    before: Int64s = known.column(column).to_numpy() - added[column]
    return before[groups.codes]


def _kept(recent: pa.ChunkedArray, own: Int64s) -> Times:
    """The times in the texts, the last `own` of each left out: these are the batch's."""
    times = _in_lists(recent)
    lengths = np.bincount(times.customers, minlength=len(own))
    place = np.arange(len(times.at)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return times.of(place < np.repeat(lengths - own, lengths))


def _in_lists(texts: pa.ChunkedArray) -> Times:
    """The numbers in the texts, each with the row it stands in."""
    lists = pc.split_pattern(pc.utf8_trim_whitespace(texts.combine_chunks()), " ")
    numbers = lists.flatten()
    rows = np.repeat(np.arange(len(lists)), pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64))
    is_number = pc.not_equal(numbers, "").to_numpy(zero_copy_only=False)
    return Times(rows[is_number], numbers.filter(pa.array(is_number)).cast(pa.int64()).to_numpy())


def _array_texts(values: Int64s, lengths: Int64s) -> pa.Array:
    """The values as arrays in Postgres' notation, so many in each."""
    offsets = pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, pa.array(values).cast(pa.string())), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def _pair_numbers(devices: Int64s, user_ids: Int64s) -> Int64s:
    """A device's number and a 32-bit customer as one."""
    return (devices << 32) + (user_ids & 0xFFFFFFFF)


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

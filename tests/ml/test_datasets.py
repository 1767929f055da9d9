"""Training sets hold what was known, from the lake and from a person's own file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ml.datasets import sets
from ml.datasets.files import FileSource
from ml.datasets.source import LakeSource
from ml.errors import MlError
from ml.world.month import Month, write_month
from tests.ml.conftest import APPROVAL, FRAUD, RETRY, ROUTING, quiet

MAPPED = """
[columns]
event_timestamp = "when"
amount = "value"
is_fraud = "bad"
user_id = "client"
device_id = "handset"
merchant = "shop"
"""


def test_history_in_a_training_set_is_what_the_lake_kept_at_the_time(lake: Path, source: LakeSource) -> None:
    read = sets.read(FRAUD, source, 0.0).examples.columns
    kept = (
        DeltaTable(str(lake / "fraud_scores"))
        .to_pyarrow_table()
        .sort_by([("event_timestamp", "ascending"), ("transaction_id", "ascending")])
    )
    for name in ("user_transactions", "device_users", "merchant_amount_cents", "user_seconds_since_last"):
        assert read[name] == kept.column(name).to_pylist()


def test_equal_data_have_equal_fingerprints_and_other_days_another(lake: Path, source: LakeSource) -> None:
    first = sets.read(FRAUD, source, 0.0).fingerprint
    assert first == sets.read(FRAUD, LakeSource(str(lake)), 0.0).fingerprint
    fewer = LakeSource(str(lake), days=3, now=np.datetime64("2026-03-13T00:00").astype(object))
    assert sets.read(FRAUD, fewer, 0.0).fingerprint.sha256 != first.sha256
    assert first.versions["fraud_scores"] == str(DeltaTable(str(lake / "fraud_scores")).version())


def test_of_too_many_payments_some_purchases_are_read_with_all_that_belongs_to_them(
    lake: Path, source: LakeSource
) -> None:
    attempts = "select transaction_id, count(*) as attempts from payments group by 1"
    some = LakeSource(str(lake), most_rows=5000)
    found = some.read(attempts).to_pydict()
    everything = dict(zip(*source.read(attempts).to_pydict().values(), strict=True))
    assert 0 < sum(found["attempts"]) < 6000
    assert all(everything[one] == count for one, count in zip(*found.values(), strict=True))
    purchases = some.read("select transaction_id from transactions").num_rows
    assert 0 < sets.read(FRAUD, some, 0.0).examples.count == purchases < 6000
    assert "one purchase in" in some.remarks()[0]
    assert LakeSource(str(lake), most_rows=10**6).remarks() == []


def test_labels_of_fraud_ripen_and_others_do_not(source: LakeSource) -> None:
    ripe, all_ = (sets.read(FRAUD, source, days).examples for days in (3.0, 0.0))
    assert all_.at.max() - ripe.at.max() >= np.timedelta64(3, "D")
    assert sets.read(APPROVAL, source, 3.0).examples.at.max() > ripe.at.max()


def test_declines_whose_retry_may_still_come_are_left_out(source: LakeSource) -> None:
    end = sets.read(APPROVAL, source, 0.0).examples.at.max()
    assert end - sets.read(RETRY, source, 0.0).examples.at.max() >= np.timedelta64(46, "h")


def test_a_lake_without_tables_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MlError, match="has no table payments_enriched_silver"):
        LakeSource(str(tmp_path))


def test_a_world_is_not_written_over_anything(lake: Path) -> None:
    with pytest.raises(MlError, match="holds something already"):
        write_month(Month(until=np.datetime64("2026-03-13").astype(object), days=1), lake, quiet)


@pytest.fixture(scope="module")
def own_rows(source: LakeSource) -> pa.Table:
    """Purchases as somebody else's file has them."""
    return source.read(
        "select event_timestamp::varchar as when, amount as value, is_fraud as bad, user_id as client, "
        "device_id as handset, merchant as shop, payment_method, country from transactions order by event_timestamp"
    )


def own_file(rows: pa.Table, folder: Path, ending: str = "csv") -> FileSource:
    file, mapping = folder / f"own.{ending}", folder / "mapping.toml"
    pyarrow.csv.write_csv(rows, file) if ending == "csv" else pq.write_table(rows, file)
    mapping.write_text(MAPPED)
    return FileSource(file, mapping)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_gives_the_training_set_that_the_lake_gives(
    own_rows: pa.Table, source: LakeSource, tmp_path: Path, ending: str
) -> None:
    ours = sets.read(FRAUD, own_file(own_rows, tmp_path, ending), 0.0).examples
    theirs = sets.read(FRAUD, source, 0.0).examples
    assert ours.count == theirs.count
    assert ours.label.sum() == theirs.label.sum()
    for name in ("amount", "user_transactions", "device_users", "user_transactions_30m", "payment_method"):
        assert ours.columns[name] == theirs.columns[name]


def test_rows_that_cannot_be_read_are_counted(own_rows: pa.Table, tmp_path: Path) -> None:
    texts = own_rows.set_column(0, "when", pa.array(["rubbish", *own_rows.column("when").to_pylist()[1:]]))
    assert own_file(texts, tmp_path).refused == 1


def test_a_column_that_is_not_there_is_named_with_the_nearest(own_rows: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(MlError, match=r"no column 'handset'.*did you mean 'handsets'"):
        own_file(
            own_rows.rename_columns([*own_rows.column_names[:4], "handsets", *own_rows.column_names[5:]]), tmp_path
        )


def test_a_file_without_the_label_says_so(own_rows: pa.Table, tmp_path: Path) -> None:
    source = own_file(own_rows, tmp_path)
    with pytest.raises(MlError, match="no column for is_approved"):
        sets.read(ROUTING, source, 0.0)


def written(folder: Path, header: str, *lines: str) -> FileSource:
    file = folder / "own.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return FileSource(file)


def test_instants_are_read_however_they_are_written(tmp_path: Path) -> None:
    at = ["2026-03-01T12:00:00+02:00", "2026-03-01 10:00:00", "1772359200", "1772359200000.0", "1772359200000000"]
    source = written(tmp_path, "amount,event_timestamp", *[f"5,{one}" for one in at], "5,20260301")
    found = source.read("select distinct event_timestamp::varchar as day from payments order by 1").column("day")
    assert found.to_pylist() == ["2026-03-01 00:00:00+00", "2026-03-01 10:00:00+00"]


def test_rubbish_in_a_row_costs_that_row_only(tmp_path: Path) -> None:
    rows = ["5,1e300", "5,infinity", "5,9999-12-31", "5,soon", "1e300,1772359200", "nan,1772359200", "0,1772359200"]
    source = written(tmp_path, "amount,event_timestamp", "1e9,1772359200", *rows)
    assert source.refused == len(rows)
    assert source.read("select amount from payments").column("amount").to_pylist() == [1e9]


def test_customers_may_be_texts_and_devices_unknown(tmp_path: Path) -> None:
    source = written(
        tmp_path, "user_id,amount,event_timestamp,is_fraud",
        "C1,5,1772359200,0", "C2,5,1772359201,0", "C1,5,1772359202,1", ",5,1772359203,1", ",5,1772359204,0",
    )  # fmt: skip
    found = sets.read(FRAUD, source, 0.0).examples.columns
    assert found["user_transactions"] == [0, 0, 1, None, None]
    assert found["user_seconds_since_last"] == [None, None, 2.0, None, None]
    assert found["device_transactions"] == found["merchant_transactions"] == found["is_new_device"] == [None] * 5
    assert found["card"] == ["C1", "C2", "C1", None, None]


def test_a_row_that_comes_twice_is_one_and_later_ones_of_a_purchase_are_retries(tmp_path: Path) -> None:
    source = written(
        tmp_path, "transaction_id,amount,event_timestamp,is_fraud,is_approved,decline_reason",
        "b,5,1772359800,0,1,", "a,5,1772359260,0,1,", "a,5,1772359200,0,0,do_not_honor", "a,5,1772359200,0,0,other",
    )  # fmt: skip
    assert source.repeated == 1
    assert sets.read(FRAUD, source, 0.0).examples.count == 2
    found = sets.read(APPROVAL, source, 0.0).examples.columns
    assert found["attempt_number"] == [1, 2, 1]
    assert found["minutes_since_decline"] == [None, 1.0, None]
    assert found["previous_decline_reason"] == [None, "do_not_honor", None]


def test_labels_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    source = written(tmp_path, "amount,event_timestamp,is_fraud", "5,1772359200,perhaps")
    with pytest.raises(MlError, match="has no is_fraud that says yes or no"):
        sets.read(FRAUD, source, 0.0)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("own.txt", "a", "must end in .csv or .parquet"),
        ("own.csv", "a,b\n1,2\n", "no column for amount, event_timestamp"),
        ("own.csv", "amount,event_timestamp\nx,y\n", r"No row of.*'x' and 'y'"),
        ("own.parquet", "rubbish", "cannot be read"),
    ],
)
def test_a_file_that_is_no_use_is_refused_in_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(MlError, match=said) as refused:
        FileSource(tmp_path / name)
    assert "\n" not in str(refused.value)

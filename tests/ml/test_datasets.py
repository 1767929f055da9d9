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


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("own.txt", "a", "must end in .csv or .parquet"),
        ("own.csv", "a,b\n1,2\n", "no column for amount, event_timestamp"),
        ("own.csv", "amount,event_timestamp\nx,y\n", "No row of"),
        ("own.parquet", "rubbish", "cannot be read"),
    ],
)
def test_a_file_that_is_no_use_is_refused_in_one_line(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(MlError, match=said) as refused:
        FileSource(tmp_path / name)
    assert "\n" not in str(refused.value)

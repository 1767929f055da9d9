"""One writer of several: appends numbered batches to one table, and may be run twice with the same arguments."""

import sys

import pyarrow as pa

from spark_jobs.lake import BatchIdentity, Lake


def main(lake_uri: str, stream: str, batches: int) -> None:
    """Append `batches` rows, one by one, as the stream of this name."""
    lake = Lake(lake_uri)
    for number in range(batches):
        rows = pa.table({"writer": [stream], "n": pa.array([number], pa.int64()), "day": ["a"]})
        lake.append("t", rows, BatchIdentity(stream, number), "day")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""Which event identities arrived of late, and where in Kafka each was first seen: a RocksDB store with expiry.

It tells the speed layer which rows it may copy without a look. It may forget, for the primary key there has the last
word, and it never errs towards new: an identity it holds at another position is a repetition (or a colliding hash).
Why this and not Spark's stateful deduplication: docs/adr/0004.
"""

import logging
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

log = logging.getLogger("stream")

Int64s = npt.NDArray[np.int64]

_STORED = np.dtype(">i8")
_CACHE_BYTES = 8 * 1024 * 1024
"""Of blocks that were read; the filters, which answer nearly every question, are not among them."""
_MEMTABLE_BYTES = 8 * 1024 * 1024
"""What is in memory only, in up to two tables. RocksDB's own 64 MiB fill for ten minutes at 2,000 identities/s."""


class IdentityWindow:
    """Identities of the trailing window, as 64-bit hashes, each with the Kafka position that had it first.

    The window slides over arrival, not event time, so that late events are told apart from repetitions as well.
    Expired identities leave with RocksDB's compactions: the window is never shorter than asked for, but may be longer.
    """

    def __init__(self, folder: Path, window_seconds: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._store = _open(folder, window_seconds)
        except Exception as error:  # the binding has no exception class of its own
            if "Corruption" not in str(error):
                raise
            log.warning("the identity window in %s cannot be read and begins anew: %s", folder, error)
            shutil.rmtree(folder)
            self._store = _open(folder, window_seconds)

    def first_seen(self, identities: Int64s, positions: Int64s) -> npt.NDArray[np.bool_]:
        """Per identity whether this position has it first. Asking again for the same positions answers the same.

        Works in the order of the store's keys, in which RocksDB looks up and inserts several times as fast.
        """
        order = np.lexsort((positions, identities.view(np.uint64)))
        identity, position = identities[order], positions[order]
        keys = _pieces(identity)
        known: list[bytes | None] = self._store.get(keys) or []  # type: ignore[arg-type]
        is_fresh = np.array([value is None for value in known], dtype=np.bool_)
        is_first = np.append(True, identity[1:] != identity[:-1])[: len(identity)]
        holder = position.copy()
        holder[~is_fresh] = np.frombuffer(b"".join(value for value in known if value is not None), dtype=_STORED)
        self._keep(keys, position, np.flatnonzero(is_fresh & is_first))
        answer = np.empty(len(order), dtype=np.bool_)
        answer[order] = np.where(is_fresh, is_first, holder == position)
        return answer

    def close(self) -> None:
        """Release the folder."""
        self._store.close()

    def _keep(self, keys: list[bytes], positions: Int64s, chosen: npt.NDArray[np.intp]) -> None:
        values = _pieces(positions)
        batch = WriteBatch(raw_mode=True)
        for at in chosen:
            batch.put(keys[at], values[at])
        self._store.write(batch)


def _open(folder: Path, window_seconds: int) -> Rdict:
    return Rdict(str(folder), _options(), access_type=AccessType.with_ttl(window_seconds))


def _options() -> Options:
    """Bloom filters for the blocks and the memtable, since nearly every identity asked for is absent."""
    options = Options(raw_mode=True)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    table = BlockBasedOptions()
    table.set_block_cache(Cache(_CACHE_BYTES))
    table.set_bloom_filter(10, False)
    options.set_block_based_table_factory(table)
    options.set_memtable_prefix_bloom_ratio(0.1)
    options.set_memtable_whole_key_filtering(True)
    return options


def _pieces(numbers: Int64s) -> list[bytes]:
    """Each number as eight bytes, which sort as the unsigned numbers do."""
    packed = numbers.astype(_STORED).tobytes()
    return [packed[at : at + _STORED.itemsize] for at in range(0, len(packed), _STORED.itemsize)]

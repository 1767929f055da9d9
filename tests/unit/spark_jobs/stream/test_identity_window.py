"""Which identities are new, across batches, repeats of a batch and restarts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spark_jobs.stream.identity_window import IdentityWindow


@pytest.fixture
def window(tmp_path: Path) -> Iterator[IdentityWindow]:
    opened = IdentityWindow(tmp_path, window_seconds=300)
    yield opened
    opened.close()


def ask(window: IdentityWindow, identities: list[int], positions: list[int]) -> list[bool]:
    return window.first_seen(np.array(identities, dtype=np.int64), np.array(positions, dtype=np.int64)).tolist()


def test_every_identity_is_new_at_first(window: IdentityWindow) -> None:
    assert ask(window, [1, 2, -3], [10, 11, 12]) == [True, True, True]


def test_a_repetition_in_a_later_batch_is_not_new(window: IdentityWindow) -> None:
    ask(window, [1, 2], [10, 11])
    assert ask(window, [2, 3], [20, 21]) == [False, True]


def test_of_repetitions_in_one_batch_the_first_in_kafka_is_new(window: IdentityWindow) -> None:
    assert ask(window, [5, 5, 6, 5], [32, 30, 33, 31]) == [False, True, True, False]


def test_a_batch_that_is_run_again_gets_the_same_answer(window: IdentityWindow) -> None:
    once = ask(window, [5, 5, 6], [30, 31, 32])
    assert ask(window, [5, 5, 6], [30, 31, 32]) == once == [True, False, True]


def test_an_empty_batch_is_answered_with_nothing(window: IdentityWindow) -> None:
    assert ask(window, [], []) == []


def test_what_was_seen_survives_a_restart(tmp_path: Path) -> None:
    first = IdentityWindow(tmp_path, window_seconds=300)
    ask(first, [7], [1])
    first.close()
    again = IdentityWindow(tmp_path, window_seconds=300)
    assert ask(again, [7, 8], [2, 3]) == [False, True]
    again.close()


def test_a_window_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    first = IdentityWindow(tmp_path, window_seconds=300)
    ask(first, [7], [1])
    first.close()
    for file in tmp_path.glob("MANIFEST-*"):
        file.write_bytes(b"rubbish")
    again = IdentityWindow(tmp_path, window_seconds=300)
    assert ask(again, [7], [2]) == [True]
    again.close()


def test_a_window_that_is_in_use_is_not_wiped(tmp_path: Path, window: IdentityWindow) -> None:
    with pytest.raises(Exception, match=r"[Ll]ock"):
        IdentityWindow(tmp_path, window_seconds=300)
    assert ask(window, [9], [1]) == [True]

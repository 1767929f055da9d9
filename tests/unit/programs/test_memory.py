import threading
import time

import psutil
import pytest

from programs.memory import give_back, giving_back

PIECE = 100_000
"""Bytes; larger ones are given back by themselves."""


def fragmented() -> list[bytes]:
    """A few pieces that stay, with 60 MB of freed ones between them."""
    pieces = [b"x" * PIECE for _ in range(600)]
    return pieces[::40]


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def test_freed_memory_goes_back() -> None:
    if not give_back():
        pytest.skip("no glibc here")
    kept = fragmented()
    before = resident()
    assert give_back()
    assert before - resident() > 40_000_000
    assert len(kept) == 15


def test_it_goes_back_now_and_then_until_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    twice, calls = threading.Event(), []

    def counted() -> bool:
        calls.append(1)
        if len(calls) == 2:
            twice.set()
        return True

    monkeypatch.setattr("programs.memory.give_back", counted)
    with giving_back(every_seconds=0.001):
        assert twice.wait(5)
    seen = len(calls)
    time.sleep(0.02)
    assert len(calls) == seen

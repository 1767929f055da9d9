"""What a long-running program has freed goes back to the machine.

The C library keeps freed pieces that lie between pieces in use. A program that works in batches ends with as much of
them as its worst minute needed, and more with each minute that cuts them otherwise: docs/adr/0015.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_EVERY_SECONDS = 60.0


def give_back() -> bool:
    """Return freed pages now: some tens of milliseconds for 200 MiB. False where the C library is not glibc."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return False
    trim(0)
    return True


@contextmanager
def giving_back(every_seconds: float = _EVERY_SECONDS) -> Iterator[None]:
    """Do so now and then, beside what is done meanwhile."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(every_seconds) and give_back():
            pass

    thread = threading.Thread(target=repeat, name="memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

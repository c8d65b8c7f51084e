"""The memory of a process that lives for months: in one piece, and given back when what makes a city is done."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
"""M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h."""
LARGE = 512 * 1024
"""Bytes; above what ingest reads at once, so that it takes no new pages for each read."""
FOR_LOOKS = ("rich", "pygments")
"""What structlog and mako load where they find it, for looks that no log of ours has: 8 MB of some programs."""
GIVE_BACK = 60.0
"""Seconds between two times at which memory is given back: 3 ms for a hundred megabytes."""


def arrange_heap() -> None:
    """
    Let all threads take memory from one place, and what is large from the system; for the start of a process.

    The GNU C library gives each thread a place of its own, which keeps what it once had: 8 MB of `canhbao ingest` with 2,000 sensors. Threads that
    take turns anyhow gain nothing by it. And once a large piece was given back, it takes pieces as large from among small ones, which leaves holes:
    `canhbao web` went up and down by 10 MB.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # not in every C library
    if set_option is not None:
        set_option(_ARENA_MAX, 1)
        set_option(_MMAP_THRESHOLD, LARGE)


def leave_out_looks() -> None:
    """Let FOR_LOOKS count as not installed; to be called before anybody has loaded them."""
    for name in FOR_LOOKS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # to `import`, None is a module that is not there; the stubs know modules alone


def settle_memory() -> None:
    """
    Give back what making a city has used, and let the collector pass over what it has made.

    That lives until the next revision; to look through a city of ten thousand gauges again and again would stop everything for 0.4 s each time.
    """
    gc.unfreeze()
    gc.collect()
    give_back()
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """Give back what the C library holds for nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library; others keep less
    if trim is not None:
        trim(0)


def keep_giving_back() -> None:
    """
    Give memory back now and then, from a thread that ends with the process; for the start of a program.

    Each burst, as after the loss of a broker, may leave a process larger by holes that only a burst of the same kind fills again: of what `serve` grew
    by in an hour, all was holes and what SQLite keeps of its file.
    """

    def work() -> None:
        never = threading.Event()
        while not never.wait(GIVE_BACK):
            give_back()

    threading.Thread(target=work, name="give-memory-back", daemon=True).start()

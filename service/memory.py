"""The memory of a process that has made what it will keep for long."""

from __future__ import annotations

import ctypes
import gc


def settle_memory() -> None:
    """
    Give back what making a city has used, and let the collector pass over what it has made.

    That lives until the next revision; to look through a city of ten thousand gauges again and again would stop everything for 0.4 s each time.
    """
    gc.unfreeze()
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the GNU C library; others keep less
    if give_back is not None:
        give_back(0)
    gc.freeze()
    gc.enable()

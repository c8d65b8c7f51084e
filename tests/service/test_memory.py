"""Memory goes back to the system where the C library can do that."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

BURST = """
import sys
from pathlib import Path
from service import memory

def mine():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

memory.arrange_heap()
burst = [bytes(3_000) for _ in range(20_000)]
del burst[::2]  # holes all over
del burst[:9_900]
before = mine()
memory.GIVE_BACK = 0.05
memory.keep_giving_back()
while mine() > before - 20:
    pass
print(before - mine())
"""

LARGE = """
import ctypes
from service import memory

class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

figures = ctypes.CDLL(None).mallinfo2
figures.restype = Figures
memory.arrange_heap()
for _ in range(3):
    before = figures().hblkhd  # bytes of its own pages
    large = bytearray(4_000_000)
    print(figures().hblkhd - before)
    del large
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library keeps what it has; the GNU one gives it back")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_burst_left_is_given_back_by_itself() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], check=True, capture_output=True, text=True, timeout=60)

    assert float(done.stdout) > 20  # of about 30 MB


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the GNU C library tells it since 2.33")
def test_what_is_large_has_pages_of_its_own_each_time_and_leaves_no_hole() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE], check=True, capture_output=True, text=True, timeout=60)

    assert all(int(line) >= 4_000_000 for line in done.stdout.split()), done.stdout

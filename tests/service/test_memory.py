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

memory.keep_together()
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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library keeps what it has; the GNU one gives it back")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_a_burst_left_is_given_back_by_itself() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], check=True, capture_output=True, text=True, timeout=60)

    assert float(done.stdout) > 20  # of about 30 MB

"""
A file with a number of seconds -> by how much the real-time clock of programs is wrong, from one moment to the next, for all of them at once.

Rule 1: only real time is stepped. The monotonic clock, and every sleep by it, goes on, as on a machine whose clock is set.
Rule 2: needs Linux and a C compiler. libfaketime cannot do this: told to leave the monotonic clock alone, 0.9.10 breaks the sleeps of CPython.
"""

from __future__ import annotations

import mmap
import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("cc") or shutil.which("gcc")
VARIABLE = "STEPPED_CLOCK"
_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *wrong_by;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("STEPPED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *wrong_by, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) wrong_by = found;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int code = syscall(SYS_clock_gettime, clock, at);
    if (!code && wrong_by && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *wrong_by;
    return code;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    int code = clock_gettime(CLOCK_REALTIME, &now);
    if (!code && at) *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return code;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class SteppedClock:
    """A clock of programs that may be set while they run."""

    def __init__(self, folder: Path) -> None:
        """Compile what steps it, into a folder that is there; raises OSError without a compiler."""
        if COMPILER is None:
            raise FileNotFoundError("no C compiler is on PATH; install gcc to step the clock of programs")
        self._library, self._file = folder / "stepping.so", folder / "wrong-by"
        words = [COMPILER, "-shared", "-fPIC", "-O1", "-w", "-x", "c", "-o", str(self._library), "-"]
        subprocess.run(words, input=_SOURCE, text=True, check=True)
        self._file.write_bytes(bytes(8))

    def set(self, seconds: int) -> None:
        """Set it: so many seconds beside the true time."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
            shared[:] = seconds.to_bytes(8, "little", signed=True)

    def environment(self) -> dict[str, str]:
        """Give the variables that a program needs to live by it."""
        return {"LD_PRELOAD": str(self._library), VARIABLE: str(self._file)}

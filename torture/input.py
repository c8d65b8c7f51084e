"""Bad input: fuzzing of all that reads bytes, and hostile messages beside good ones through a broker and a real ingest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from rig.brokers import mosquitto_program
from rig.report import Result
from torture.bad_input import EMBEDDED, LONG, SHORT, run
from torture.fuzz import run as fuzz

SHORT_CASES = 20_000
LONG_CASES = 2_000_000


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Fuzz first; then send hostile messages through each broker that is there (the embedded one in the long form only)."""
    yield partial(fuzz, SHORT_CASES, processes=1) if short else partial(fuzz, LONG_CASES)
    if mosquitto_program() is not None:
        yield partial(run, SHORT if short else LONG)
    if not short:
        yield partial(run, EMBEDDED, "embedded")

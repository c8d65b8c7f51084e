"""
The track of a sensor <-> bytes of a checkpoint.

Rule 1: a track that is loaded goes on as if it had never stopped.
Rule 2: where the rules or levels are not those under which a state was saved, levels are carried over by code, and the readings up to
        then are known but not folded again: what was said stays said. What was waiting to change a level waits no more: the next
        readings are judged by the new levels alone.
Rule 3: a line of JSON, then the kept readings as they lie in memory: there are many, and nobody waits for them to be written as text.
"""

from __future__ import annotations

import json
from array import array
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeAlias

from rules.changes import Change, Kind, Phase
from rules.history import Track
from rules.levels import State, afresh
from rules.schedule import Schedule

VERSION = 2
_STATE = attrgetter(*State.__slots__)
_CHANGE = attrgetter(*Change.__slots__)
_text = json.JSONEncoder(separators=(",", ":")).encode
_body = json.JSONDecoder().decode
_shared = lru_cache(maxsize=1 << 10)(State)
"""Most sensors stand where others stand."""


Body: TypeAlias = dict[str, Any]
"""A state as plain values."""


def dump(track: Track) -> bytes:
    """Give the state of a track."""
    freshness = track.freshness
    head = {
        "version": VERSION,
        "judged": fingerprint(track),
        "kept": len(track.at),
        "before": track.before,
        "newest": track.newest,
        "settled_at": track.settled_at,
        "room": track.room,
        "fresh": [freshness.phase, freshness.phase_at, freshness.current_at, freshness.received_at],
        "folds": [
            [fold.place.rule, _STATE(fold.base), _STATE(fold.state), [_CHANGE(change) for change in fold.issued]] for fold in track.folds
        ],
    }
    return b"".join((_text(head).encode(), b"\n", track.at.tobytes(), track.value.tobytes(), track.rank.tobytes()))


def read(state: bytes) -> Body:
    """Read what `dump` gave; one of another version is refused with a ValueError."""
    head, _, kept = state.partition(b"\n")
    body: Body = _body(head.decode())
    if body["version"] != VERSION:
        raise ValueError(f"a checkpoint of version {body['version']}, not {VERSION}; start with the version that wrote it")
    size = 8 * body["kept"]
    body["at"], body["value"], body["rank"] = array("q", kept[:size]), array("d", kept[size : 2 * size]), array("q", kept[2 * size :])
    return body


def load(track: Track, body: Body) -> bool:
    """Bring a track to a state that was read; tells whether it goes on under the same levels and rules."""
    if body["kept"]:
        track.at, track.value, track.rank = body["at"], body["value"], body["rank"]
    track.before = None if body["before"] is None else (body["before"][0], body["before"][1])
    track.newest, track.settled_at, track.room = body["newest"], body["settled_at"], body["room"]
    phase, phase_at, current_at, received_at = body["fresh"]
    track.freshness.resume(Phase(phase), phase_at, current_at, received_at)
    same = bool(body["judged"] == fingerprint(track))
    if not same:
        track.settled_at = track.newest
    if same:
        for fold, (_, base, now, issued) in zip(track.folds, body["folds"], strict=True):
            fold.base, fold.state, fold.issued = _state(base), _state(now), tuple([_change(change) for change in issued])
    else:
        take_over(track, body)
    track.set_band()
    return same


def take_over(track: Track, body: Body) -> None:
    """Let the folds of a track go on from the levels that other rules, or another device at the same place, had reached."""
    kept = {rule: now for rule, _, now, _ in body["folds"]}
    for fold in track.folds:
        found = kept.get(fold.place.rule, next(iter(kept.values()), None))  # a rule that was renamed is the same rule
        if found is not None:
            fold.go_on_from(afresh(_state(found)), track.newest)
    track.set_band()


def fingerprint(track: Track) -> str:
    """Give what tells whether a track is judged as it was; the place is told by its key."""
    return " ".join(f"{fold.place.rule}:{_fingerprint(fold.schedule)}" for fold in track.folds)


@lru_cache(maxsize=1 << 14)
def _fingerprint(schedule: Schedule) -> str:
    return blake2b(repr(schedule).encode(), digest_size=8).hexdigest()


def _state(values: Any) -> State:
    level, codes, on, counts, *rest = values
    return _shared(level, tuple(codes), tuple(on), tuple(counts), *rest)


def _change(values: Any) -> Change:
    number, rule, station, quantity, device, kind, *rest = values
    return Change(number, rule, station, quantity, device, Kind(kind), *rest)

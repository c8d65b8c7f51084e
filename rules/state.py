"""
The track of a sensor <-> bytes of a checkpoint.

Rule 1: a track that is loaded goes on as if it had never stopped.
Rule 2: where the rules or levels are not those under which a state was saved, levels are carried over by code, and the readings up to
        then are known but not folded again: what was said stays said.
"""

from __future__ import annotations

import json
from array import array
from dataclasses import astuple
from hashlib import blake2b
from typing import Any

from rules.changes import Change, Kind, Phase
from rules.history import Fold, Track
from rules.levels import State

VERSION = 1


def dump(track: Track) -> bytes:
    """Give the state of a track."""
    freshness = track.freshness
    body = {
        "version": VERSION,
        "judged": fingerprint(track),
        "at": track.at.tolist(),
        "value": track.value.tolist(),
        "rank": track.rank.tolist(),
        "before": track.before,
        "newest": track.newest,
        "settled_at": track.settled_at,
        "room": track.room,
        "fresh": [freshness.phase, freshness.phase_at, freshness.current_at, freshness.received_at],
        "folds": [
            [fold.place.rule, astuple(fold.base), astuple(fold.state), [astuple(change) for change in fold.issued]] for fold in track.folds
        ],
    }
    return json.dumps(body, separators=(",", ":")).encode()


def load(track: Track, state: bytes) -> None:
    """Bring a track to a state that `dump` gave; a state of another version is refused with a ValueError."""
    body = json.loads(state)
    if body["version"] != VERSION:
        raise ValueError(f"a checkpoint of version {body['version']}, not {VERSION}; start with the version that wrote it")
    track.at, track.value, track.rank = array("q", body["at"]), array("d", body["value"]), array("q", body["rank"])
    track.before = None if body["before"] is None else (body["before"][0], body["before"][1])
    track.newest, track.settled_at, track.room = body["newest"], body["settled_at"], body["room"]
    phase, phase_at, current_at, received_at = body["fresh"]
    track.freshness.resume(Phase(phase), phase_at, current_at, received_at)
    same = body["judged"] == fingerprint(track)
    if not same:
        track.settled_at = track.newest
    kept = {rule: (base, now, issued) for rule, base, now, issued in body["folds"]}
    for fold in track.folds:
        if fold.place.rule in kept:
            _load_fold(fold, *kept[fold.place.rule], same=same)
    track.set_band()


def fingerprint(track: Track) -> str:
    """Give what tells whether a track is judged as it was."""
    return blake2b(repr([(fold.place, fold.schedule) for fold in track.folds]).encode(), digest_size=8).hexdigest()


def _load_fold(fold: Fold, base: Any, now: Any, issued: Any, *, same: bool) -> None:
    fold.state = _state(now)
    fold.base = _state(base) if same else fold.state
    fold.issued = [_change(change) for change in issued] if same else []


def _state(values: Any) -> State:
    level, codes, on, counts, *rest = values
    return State(level, tuple(codes), tuple(on), tuple(counts), *rest)


def _change(values: Any) -> Change:
    number, rule, station, quantity, device, kind, *rest = values
    return Change(number, rule, station, quantity, device, Kind(kind), *rest)

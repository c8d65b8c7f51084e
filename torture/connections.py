"""
Readings that flow, and a connection that is broken in every way we know -> whether ingest comes back by itself, says so, and loses nothing.

Rule 1: whatever is broken, the same is claimed: the same process, every acknowledged reading in the store once, balanced books, nobody called
        silent for our own deafness, levels raised and ended once, and the incident told with its end.
Rule 2: what a broker has acknowledged and forgotten (killed, wiped) is its own loss: counted, bounded, and no fault of ingest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ingest.inbox import Trouble
from rig.city import device_of
from rig.picture import faults
from rig.report import Result, timed
from torture.breaking import (
    churn,
    cut,
    frozen,
    full,
    held,
    killed,
    liar,
    refused,
    refused_by_word,
    slow,
    spoilt,
    too_large,
    wiped,
)
from torture.scene import FLOODED, GAUGES, Scene, Setting, scene_in

DEAF_AT_ONCE = 3.0
"""Seconds within which a connection that is gone must have been said."""
DEAF_BY_KEEPALIVE = 25.0
"""The same for one that only falls silent: two keepalives, and some rest."""
RECOVERED = 10.0
"""Seconds after the end of a fault within which readings are committed again."""
FORGOTTEN_BEFORE = 3.0
"""Seconds before it was killed, of which a broker that saves once a second may forget what it has acknowledged."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to break a connection."""

    name: str
    fault: Callable[[Scene], None]
    """Breaks and mends; marks beginning and end in the scene."""
    told: frozenset[Trouble] = frozenset({Trouble.DEAF})
    """Incidents that there must be, beside the end of deafness."""
    setting: Setting = field(default_factory=Setting)
    deaf_within: float = DEAF_AT_ONCE
    recovered_within: float = RECOVERED
    may_forget: bool = False
    """The broker may lose what it has acknowledged, around the beginning of the fault."""


def runs(short: bool) -> Iterable[Callable[[], Result]]:
    """Give all trials; short: faults of seconds."""
    return [partial(run, trial) for trial in trials(short=short)]


def trials(*, short: bool) -> list[Trial]:
    """Give all ways to break a connection."""
    away, silent = (12.0, 24.0) if short else (30.0, 60.0)
    straight, embedded = Setting(way="straight", kind="durable"), Setting(way="straight", kind="embedded", rate=200)
    patient = Setting(interval="20 s")
    told = frozenset
    return [
        Trial("broker killed", partial(killed, seconds=away), told({Trouble.DEAF, Trouble.UNREACHABLE}), straight, may_forget=True),
        Trial("embedded broker killed", partial(killed, seconds=away), told({Trouble.DEAF, Trouble.UNREACHABLE}), embedded),
        Trial(f"broker frozen {silent:g} s", partial(frozen, seconds=silent), setting=patient, deaf_within=DEAF_BY_KEEPALIVE),
        Trial(
            f"embedded broker frozen {silent:g} s",
            partial(frozen, seconds=silent),
            setting=Setting(interval="20 s", kind="embedded", rate=200),
            deaf_within=DEAF_BY_KEEPALIVE,
        ),
        Trial("cut in mid-frame, 20 times", partial(cut, times=20), told({Trouble.DEAF, Trouble.DISCONNECTED})),
        Trial("session wiped", wiped, told({Trouble.DEAF, Trouble.SESSION_LOST}), straight, may_forget=True),
        Trial("connections refused", partial(refused, seconds=away), told({Trouble.DEAF, Trouble.UNREACHABLE})),
        Trial("CONNACK refuses", partial(refused_by_word, seconds=away), told({Trouble.DEAF, Trouble.REFUSED})),
        Trial("slow link: 200 ms, 50 KB/s", partial(slow, seconds=away), told(), Setting(rate=1_000, interval="20 s")),
        Trial(f"black hole of {silent:g} s", partial(held, seconds=silent), setting=patient, deaf_within=DEAF_BY_KEEPALIVE),
        Trial("TLS records spoilt", partial(spoilt, times=3 if short else 20), told({Trouble.DEAF, Trouble.DISCONNECTED}), Setting(way="tls")),
        Trial("bytes spoilt without TLS", partial(spoilt, times=5 if short else 50), told(), deaf_within=DEAF_BY_KEEPALIVE),
        Trial("100 connects a minute", partial(churn, seconds=away if short else 60), told()),
        Trial("receive maximum reached", partial(full, messages=13_000), told(), Setting(interval="60 s"), deaf_within=60),
        Trial("packets too large", too_large, told(), Setting(kind="durable", rate=500)),
        Trial("a broker that lies", partial(liar, every=3 if short else 1), told({Trouble.DEAF, Trouble.MALFORMED, Trouble.REFUSED})),
    ]  # fmt: skip


def run(trial: Trial) -> Result:
    """Do a trial."""
    return timed(f"{trial.name}, {trial.setting.rate:g}/s", partial(_run, trial))


def _run(trial: Trial, result: Result) -> None:
    with TemporaryDirectory(prefix="canhbao-connections-") as folder, scene_in(Path(folder), trial.setting) as scene:
        scene.flow.is_high = True
        scene.moves(3 * GAUGES)
        scene.told_before = scene.town.one("spool.db", "SELECT max(id) FROM incident") or 0
        scene.began_at = time.time()
        trial.fault(scene)
        scene.ended_at = scene.ended_at or time.time()
        scene.moves(2 * GAUGES, within=90)
        scene.flow.is_high = False
        scene.goes_round(5)
        scene.calms()
        scene.silent_at = time.time()
        scene.flow.end()
        scene.settle(may_lack=trial.may_forget or bool(scene.more["spoilt"]))
        _judge(result, trial, scene)


# ---- judgement


def _judge(result: Result, trial: Trial, scene: Scene) -> None:
    _judge_process(result, scene)
    _judge_incidents(result, trial, scene)
    _judge_recovery(result, trial, scene)
    _judge_store(result, trial, scene)
    _judge_changes(result, scene)
    wrong = faults(scene.town)
    result.claim("books, twins, files: nothing is wrong", not wrong, "; ".join(wrong))


def _judge_process(result: Result, scene: Scene) -> None:
    beat = scene.town.rows("spool.db", "SELECT pid, hearing FROM heartbeat")
    result.claim(
        "the same ingest goes on, and hears", beat == [(scene.pid, 1)] and not scene.town.fallen(), f"{beat} {scene.town.fallen()}"
    )


def _judge_incidents(result: Result, trial: Trial, scene: Scene) -> None:
    """What happened is said, and its end."""
    rows = scene.town.rows("spool.db", f"SELECT kind, at FROM incident WHERE id > {scene.told_before} ORDER BY id")
    said = Counter(kind for kind, _ in rows)
    lacking = {str(kind) for kind in trial.told} - said.keys()
    result.claim("the incident is told", not lacking, f"told {dict(said)}, lacking {sorted(lacking)}")
    result.claim("and its end: as often deaf as hearing again", said[Trouble.DEAF] == said[Trouble.HEARS], dict(said))
    result.figures |= {f"incident {kind}": count for kind, count in said.items()}
    if deaf := [at / 1e6 - scene.began_at for kind, at in rows if kind == Trouble.DEAF]:
        result.figures["deaf said after, s"] = round(deaf[0], 1)
        within = trial.deaf_within
        result.claim(f"deafness is said within {within:g} s", deaf[0] <= within or Trouble.DEAF not in trial.told, f"{deaf[0]:.1f} s")


def _judge_recovery(result: Result, trial: Trial, scene: Scene) -> None:
    """From the end of the fault to the first reading that is received after it."""
    first = scene.town.one("store.db", f"SELECT min(received_at) FROM reading WHERE received_at >= {round(scene.ended_at * 1e6)}")
    took = (first or 0) / 1e6 - scene.ended_at
    result.figures["recovered after, s"] = round(took, 2)
    result.figures["fault, s"] = round(scene.ended_at - scene.began_at, 1)
    within = trial.recovered_within
    result.claim(f"readings come again within {within:g} s of the fault's end, by itself", 0 <= took <= within, f"{took:.2f} s")


def _judge_store(result: Result, trial: Trial, scene: Scene) -> None:
    """Everything that was acknowledged is there once; what is refused is known."""
    there, books = scene.archived(), scene.town.books()
    sent = {(device_of(gauge), at) for gauge, at in scene.flow.sent}
    missing, more = sorted(sent - there.keys()), sorted(there.keys() - sent)
    twice = [each for each, count in there.items() if count > 1]
    result.figures |= {"readings": len(sent), "sent again by devices": scene.flow.publisher.sent - len(scene.flow.sent)}
    result.figures["duplicates recognised"] = books.get("duplicate", 0)
    result.claim("nothing else is in the store, and nothing twice", not more and not twice, f"{more[:3]} {twice[:3]}")
    allowed = [each for each in missing if _may_be_missing(trial, scene, each[1] / 1e3)]
    if trial.may_forget:
        result.figures["acknowledged and forgotten by the broker"] = len(missing)
        result.claim("missing is only what the broker forgot as it died", allowed == missing, f"{len(missing)} missing, {len(allowed)} may")
    elif spoilt := scene.more["spoilt"]:
        result.figures["spoilt on the wire"] = len(missing)
        result.claim("a spoilt byte costs one reading at most", len(missing) <= spoilt, f"{len(missing)} missing, {spoilt} spoilt")
    else:
        result.claim("every acknowledged reading is in the store", not missing, f"{len(missing)} of {len(sent)} missing: {missing[:3]}")
    refused = {name.partition(":")[2]: count for name, count in books.items() if name.startswith("quarantined:") and count}
    wanted = {reason: count for reason, count in scene.more.items() if reason not in ("behind", "spoilt") and count}
    result.claim(
        "in quarantine is what was refused, and nothing else", bool(scene.more["spoilt"]) or refused == wanted, f"{refused}, {wanted}"
    )
    if "behind" in scene.more:
        result.figures["readings behind at the end of the fault"] = scene.more["behind"]


def _may_be_missing(trial: Trial, scene: Scene, at: float) -> bool:
    return trial.may_forget and scene.began_at - FORGOTTEN_BEFORE <= at <= scene.began_at + 1


def _judge_changes(result: Result, scene: Scene) -> None:
    """Our own deafness is nobody's silence; and levels rise and end once."""
    during = f"at BETWEEN {round(scene.began_at * 1e6)} AND {round(scene.silent_at * 1e6)}"
    silent = scene.town.one("spool.db", f"SELECT count(*) FROM change WHERE kind IN ('stale', 'lost') AND {during}")
    result.claim("no sensor is called silent while it is heard, or while we are deaf", not silent, f"{silent} changes")
    said = Counter(scene.town.rows("spool.db", "SELECT device, kind FROM change WHERE verb = 'issued'"))
    wanted = {(device_of(gauge), kind) for gauge in range(FLOODED) for kind in ("raise", "clear")}
    levels = {what: count for what, count in said.items() if what[1] not in ("stale", "lost", "fresh")}
    result.claim("each flooded gauge rises once and ends once", levels == dict.fromkeys(wanted, 1), levels)
    alarms = scene.town.one("ledger.db", "SELECT count(*) FROM alarm WHERE ended_at IS NOT NULL")
    result.claim("each has one alarm, which has ended", alarms == FLOODED, alarms)

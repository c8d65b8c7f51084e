"""
A backup -> a new data folder that says nothing until an operator has looked, and then tells only what differs.

Rule 1: a data folder in which anything is stays as it is. The ledger is put in its place first and is held already, so that nothing that
        starts half-way can send.
Rule 2: a restored spool is another spool: its numbers go on from an earlier place, so it gets a new identity, in every cursor too.
Rule 3: what was on its way when the backup was made is old now: warnings are closed, ends stay owed.
Rule 4: readings that were acknowledged after the backup are not in it, and no broker gives them again.
"""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.util import CommandError as UnknownVersion
from sqlalchemy import Engine

from alerts.ledger import deliveries, holding
from alerts.ledger.migrating import migrate
from alerts.ledger.opening import ledger_url, open_ledger
from devices.instants import format_instant
from ingest.archive.schema import VERSION as STORE_VERSION
from ingest.spool import SCHEMA as SPOOL_VERSION
from service.backups import FILES, LEDGER, SPOOL, STORE, Manifest, read_manifest, sync_folder
from service.clock import clock_of
from service.exits import CommandError, Exit

_STAGE = "restoring"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back."""

    manifest: Manifest
    closed: int
    """Warnings on their way, by channel, that are not sent on."""


def restore(folder: Path, data: Path) -> Restored:
    """
    Put a backup into a new data folder, held.

    Args:
        folder: that `canhbao backup` made.
        data: to be made, or empty.

    Returns:
        What was put back.

    Raises:
        CommandError: the backup is not whole or of a newer version, or something is in the data folder.
    """
    manifest = read_manifest(folder)
    _refuse_newer(manifest)
    if data.exists() and any(data.iterdir()):
        raise CommandError(f"{data} is not empty, and nothing in it is touched; give a new folder, or move that one away", Exit.USAGE)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage = data / _STAGE
    try:
        _copy(folder, stage, manifest)
        closed = _held(stage, manifest)
        _renamed(stage, manifest.spool, str(uuid.uuid4()))
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)  # so that the folder is empty again
        raise
    _put(stage, data, manifest)
    return Restored(manifest, closed)


def _copy(folder: Path, stage: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        (stage / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(folder / name, stage / name)
        (stage / name).chmod(0o600)


def _refuse_newer(manifest: Manifest) -> None:
    """Refuse what this program does not know; what is older is brought up to date by the program that owns it."""
    for name, known in {SPOOL: SPOOL_VERSION, STORE: STORE_VERSION}.items():
        found = int(manifest.schemas.get(name, known))
        if found > known:
            message = f"{name} of the backup has version {found} of its tables, this program knows {known}"
            raise CommandError(f"{message}; restore it with canhbao {manifest.canhbao}, which made it", Exit.CONFIGURATION)


def _held(stage: Path, manifest: Manifest) -> int:
    """Hold the ledger, and make one where nothing was told yet; give the deliveries that are not sent on."""
    engine = open_ledger(ledger_url(stage / LEDGER))
    try:
        return _hold(engine, stage, manifest)
    except UnknownVersion as error:
        message = f"the ledger of the backup is of another version ({error}); restore it with canhbao {manifest.canhbao}, which made it"
        raise CommandError(message, Exit.CONFIGURATION) from error
    finally:
        engine.dispose()


def _hold(engine: Engine, stage: Path, manifest: Manifest) -> int:
    migrate(engine)
    now = clock_of(stage)()
    why = f"restored from a backup of {format_instant(manifest.made_at)}; look at the alarms, then run `canhbao release`"
    with engine.begin() as connection:
        holding.hold(connection, why, now)
        return deliveries.close_warnings(connection, now)


def _renamed(stage: Path, before: str, after: str) -> None:
    """Give the spool a new identity, in each file that names it."""
    questions = {
        LEDGER: "UPDATE cursor SET spool = ? WHERE spool = ?",
        STORE: "UPDATE cursor SET spool = ? WHERE spool = ?",
        SPOOL: "UPDATE meta SET value = ? WHERE key = 'spool' AND value = ?",
    }
    for name, question in questions.items():
        if (stage / name).exists():
            with closing(sqlite3.connect(stage / name, isolation_level=None)) as file:
                file.execute(question, (after, before))
                file.execute("PRAGMA journal_mode=DELETE")


def _put(stage: Path, data: Path, manifest: Manifest) -> None:
    """Move everything to its place: the held ledger before what it would speak of."""
    beside = [name for name in manifest.files if name not in FILES]
    for name in (*beside, *FILES):
        if (stage / name).exists():
            (data / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (stage / name).replace(data / name)
            sync_folder((data / name).parent)
    shutil.rmtree(stage)

"""
A data folder in use -> a folder of copies that belong together, with a manifest; the service goes on meanwhile.

Rule 1: pictures of the three files are opened one after the other, what holds cursors before what they point into, and only then copied;
        so no cursor lies beyond the end of the spool, and what they left unread is still in it. Both are checked before anything is copied.
Rule 2: a backup is whole or not there: it gets its name when every byte is on the disk.
Rule 3: a backup holds the tokens and passwords of the data folder (files of mode 0600 in a folder of mode 0700): keep it as you keep them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.archive.batches import bounds_of
from ingest.archive.forward import Cursor, where_to_start
from ingest.archive.store import Store
from ingest.spool import BUSY, meta
from service.exits import CommandError, Exit
from service.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
LEDGER, STORE, SPOOL = "ledger.db", "store.db", "spool.db"
FILES = (LEDGER, STORE, SPOOL)
"""In the order in which pictures are opened, and in which they are put back."""
BESIDE = ("*.token", "*.password", "*.key", "rehearsal.json", "broker/accounts.json")
"""What else of a data folder is kept: secrets, and that it is a rehearsal's."""
_PAGES = 2_000
_TRIES = 5


class Copied(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a backup is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    made_at: int
    """By the machine's clock, microseconds since 1970 UTC."""
    canhbao: str
    """Version of the program that made it."""
    spool: str
    """Identity of the spool."""
    ordinal: int
    """Its newest batch."""
    cursors: dict[str, int]
    """How far the sinks of the archive, and the ledger, had read it."""
    schemas: dict[str, str]
    """Versions of the tables, by file."""
    files: dict[str, Copied]


def backup(settings: Settings, folder: Path) -> Manifest:
    """
    Copy a data folder.

    Args:
        settings: name the data folder.
        folder: to be made; it must not be there.

    Returns:
        What was copied.

    Raises:
        CommandError: there is nothing to copy, the folder is there, or the files do not fit together.
    """
    if folder.exists():
        raise CommandError(f"{folder} is there already; give the name of a folder that is to be made", Exit.USAGE)
    draft = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    try:
        with _pictures(settings.data) as pictures:
            manifest = _copied(settings.data, pictures, draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    _write(draft / MANIFEST, manifest.model_dump_json(indent=1).encode())
    sync_folder(draft)
    draft.rename(folder)
    sync_folder(folder.parent)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup and hold every file against it; raises CommandError where it is not whole."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise CommandError(f"{folder} is no backup: it has no {MANIFEST}; give a folder that `canhbao backup` made", Exit.USAGE) from None
    except ValidationError as error:
        raise CommandError(f"{folder / MANIFEST} cannot be read by this version: {error}", Exit.CONFIGURATION) from error
    for name, copied in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != copied.bytes or hash_of(path) != copied.sha256:
            raise CommandError(f"{path} is missing or is not what was copied; take another backup", Exit.CONFIGURATION)
    return manifest


@contextmanager
def _pictures(data: Path) -> Iterator[dict[str, sqlite3.Connection]]:
    """Open a read transaction on each file, within moments: what is committed later is not seen by them."""
    if not (data / SPOOL).exists():
        raise CommandError(f"there is no {data / SPOOL}: `canhbao ingest` has not run on this data folder; give it with --data")
    for _ in range(_TRIES):
        with ExitStack() as stack:
            pictures = {name: stack.enter_context(closing(_picture(data / name))) for name in FILES if (data / name).exists()}
            misfit = _misfit(pictures)
            if not misfit:
                yield pictures
                return
        time.sleep(0.2)
    raise CommandError(f"{misfit}; look at `canhbao status`, and try again when it is well")


def _picture(path: Path) -> sqlite3.Connection:
    picture = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY)
    picture.execute("BEGIN")
    picture.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the picture is taken at the first read
    return picture


def cursors_of(pictures: dict[str, sqlite3.Connection]) -> dict[str, Cursor]:
    """Give how far each reader of the spool had come, as their files say."""
    rows = pictures[STORE].execute("SELECT name, spool, reached FROM cursor").fetchall() if STORE in pictures else []
    if LEDGER in pictures:
        rows += pictures[LEDGER].execute("SELECT 'ledger', spool, ordinal FROM cursor").fetchall()
    return {name: Cursor(spool, ordinal) for name, spool, ordinal in rows}


def _misfit(pictures: dict[str, sqlite3.Connection]) -> str:
    """Say why the pictures cannot be put back together; nothing where they can."""
    bounds = bounds_of(pictures[SPOOL])
    try:
        cursors = cursors_of(pictures)
    except sqlite3.OperationalError as error:  # a program is making its tables just now
        return f"a file is not ready: {error}"
    for name, cursor in cursors.items():
        # above its budget the spool lets go of what others than the store still lack; the ledger reads changes, which stay far longer
        trouble = where_to_start(cursor, bounds).trouble if name == Store.name or cursor.ordinal > bounds.last else None
        if trouble or cursor.spool != bounds.spool:
            return f"the files do not fit together: {name} stands at {cursor}, the spool has {bounds.first} to {bounds.last} ({trouble})"
    return ""


def _copied(data: Path, pictures: dict[str, sqlite3.Connection], draft: Path) -> Manifest:
    bounds = bounds_of(pictures[SPOOL])
    cursors = {name: cursor.ordinal for name, cursor in cursors_of(pictures).items()}
    schemas = {SPOOL: meta(pictures[SPOOL], "schema") or ""}
    for name, question in ((STORE, "PRAGMA user_version"), (LEDGER, "SELECT version_num FROM alembic_version")):
        if name in pictures:
            schemas[name] = str(pictures[name].execute(question).fetchone()[0])
    for name, picture in pictures.items():
        _copy(picture, draft / name)
    for path in sorted({path for pattern in BESIDE for path in data.glob(pattern)}):
        _write(draft / path.relative_to(data), path.read_bytes())
    files = {path.relative_to(draft).as_posix(): Copied(bytes=path.stat().st_size, sha256=hash_of(path)) for path in _all(draft)}
    made_at = time.time_ns() // 1000
    return Manifest(
        format=FORMAT,
        made_at=made_at,
        canhbao=version("canhbao"),
        spool=bounds.spool,
        ordinal=bounds.last,
        cursors=cursors,
        schemas=schemas,
        files=files,
    )


def _copy(picture: sqlite3.Connection, path: Path) -> None:
    """Copy a picture into a file of its own, look it through, and put it on the disk."""
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        picture.backup(copy, pages=_PAGES)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise CommandError(f"{path.name} is damaged: {found}; keep the data folder, and restore an earlier backup")
    _sync(path)


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    _sync(path)


def hash_of(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the names of a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

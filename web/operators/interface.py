"""
Requests of programs with the token -> actions: what the command line speaks to.

Rule 1: no cookie counts here: `Authorization: Bearer <token>`, or 401.
Rule 2: a refusal is 409 with its reason; unknown fields are refused.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from devices.instants import Instant
from web.operators.ports import Acting, Boards
from web.operators.sessions import LONGEST_NAME, Sessions

By = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, description="Who acts; it is kept.")]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
AlarmId = Annotated[str, Field(pattern="^[0-9a-z-]{1,32}$")]
Name = Annotated[str, Field(pattern="^[a-z0-9_-]{1,32}$")]


class Request(BaseModel):
    """What every action has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: By


class Acknowledge(Request):
    """Somebody cares for an alarm."""

    alarm: AlarmId


class Close(Request):
    """End an alarm whose gauge cannot say that it is over."""

    alarm: AlarmId
    reason: Reason
    force: bool = Field(default=False, description="Also where the gauge is heard.")


class Silence(Request):
    """Let operators hear less of a place."""

    station: Name | None = None
    quantity: Name | None = None
    until_at: Instant = Field(description="Microseconds since 1970 UTC, by the clock of the service.")
    reason: Reason


class Lift(Request):
    """End a silence before its time."""

    silence: int


class Release(Request):
    """Let a service that is held speak again."""


class Done(BaseModel):
    """What an action did."""

    changed: bool = Field(description="False: it was so already.")
    silence: int | None = Field(default=None, description="Number of the silence.")


def routes(acting: Acting, boards: Boards, sessions: Sessions) -> APIRouter:
    """Give the routes below /act."""

    def authorised(authorization: Annotated[str, Header()] = "") -> None:
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "bearer" or not sessions.is_token(given):
            detail = "send `Authorization: Bearer <token>` with the token of the data folder"
            raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})

    router = APIRouter(prefix="/act", tags=["act"], dependencies=[Depends(authorised)])

    @router.get("/alarms")
    def alarms() -> dict[str, Any]:
        """Alarms that are open, owed an end or ended within a day, and silences. Instants: microseconds since 1970 UTC."""
        board = boards.board()
        if board is None:
            raise HTTPException(503, "no city was applied yet; `canhbao ingest` applies it at its start")
        told = {alarm: each.level for alarm, each in board.told.items()}
        found = [{**asdict(alarm), "told_residents": told.get(alarm.id, 0)} for alarm in board.alarms]
        return {"status": board.status, "now_at": board.now, "alarms": found, "silences": [asdict(each) for each in board.silences]}

    @router.post("/acknowledge")
    def acknowledge(request: Acknowledge) -> Done:
        """Acknowledge an alarm."""
        return Done(changed=acting.acknowledge(request.alarm, request.by))

    @router.post("/close")
    def close(request: Close) -> Done:
        """Close an alarm; everybody who was warned is told."""
        return Done(changed=acting.close(request.alarm, request.by, request.reason, force=request.force))

    @router.post("/silence")
    def silence(request: Silence) -> Done:
        """Silence a place; residents and ends are not touched."""
        number = acting.silence(request.station, request.quantity, request.until_at, request.by, request.reason)
        return Done(changed=True, silence=number)

    @router.post("/lift")
    def lift(request: Lift) -> Done:
        """Lift a silence."""
        return Done(changed=acting.lift(request.silence, request.by), silence=request.silence)

    _add_release(router, acting)
    return router


def _add_release(router: APIRouter, acting: Acting) -> None:
    @router.post("/release")
    def release(request: Release) -> Done:
        """Let a restored service speak again."""
        return Done(changed=acting.release(request.by))

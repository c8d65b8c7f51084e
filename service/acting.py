"""
What an operator wants -> a request to `canhbao serve`, which alone writes the ledger.

Rule 1: acting needs the token of the data folder (mode 0600), so whoever can read the folder can act, and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import urllib3

from service.exits import CommandError, Exit
from service.running import address
from service.settings import Settings

_TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)


def answers(base: str) -> bool:
    """Tell whether a program answers `healthz` at an address, with whatever status: it runs."""
    try:
        urllib3.PoolManager(timeout=urllib3.Timeout(total=2.0), retries=False).request("GET", f"{base}healthz")
    except urllib3.exceptions.HTTPError:
        return False
    return True


class Acting:
    """The acting interface of `canhbao serve`, seen from the same machine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = address(settings.operators.host, settings.operators.port)
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def board(self) -> dict[str, Any]:
        """Give `alarms` and `silences` as operators see them, `status` and `now_at`; raises CommandError."""
        return dict(self._ask("GET", "act/alarms"))

    def act(self, verb: str, what: Mapping[str, Any]) -> dict[str, Any]:
        """
        Act on an alarm or a silence.

        Args:
            verb: acknowledge, close, silence or lift.
            what: the fields of the request.

        Returns:
            What `serve` answers.

        Raises:
            CommandError: refused (status 1), or not reachable (69).
        """
        return dict(self._ask("POST", f"act/{verb}", what))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            answer = self._pool.request(method, self._base + path, json=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            fix = "start `canhbao run` (or `canhbao serve`), or set operators.host and operators.port as it has them"
            raise CommandError(f"`canhbao serve` does not answer at {self._base} ({_cause(error)}); {fix}", Exit.UNAVAILABLE) from error
        if answer.status == 401:
            raise CommandError(
                f"{self._base} does not accept the token of {self._settings.token_file}; give the data folder of that service with --data"
            )
        if answer.status >= 400:
            raise CommandError(_refusal(answer))
        return answer.json()

    def _token(self) -> str:
        path = self._settings.token_file
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            fix = "start `canhbao run` once, or give its data folder with --data"
            raise CommandError(
                f"there is no token {path}: `canhbao serve` has not run on this data folder; {fix}", Exit.UNAVAILABLE
            ) from None
        except PermissionError:
            raise CommandError(f"{path} may not be read by this user; act as the user that runs the service, or in its group") from None


def _refusal(answer: urllib3.BaseHTTPResponse) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = answer.data.decode(errors="replace")[:200]
    if isinstance(said, dict):
        said = said.get("detail") or said.get("error") or said
    if isinstance(said, list):  # what pydantic found in the request
        said = "; ".join(str(each.get("msg", each)) if isinstance(each, dict) else str(each) for each in said)
    return f"refused: {said}" if answer.status < 500 else f"`canhbao serve` failed with {answer.status}: {said}; see its log"


def _cause(error: urllib3.exceptions.HTTPError) -> str:
    return str(error.args[-1] if error.args else error).rpartition(": ")[2]

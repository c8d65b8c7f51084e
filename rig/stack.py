"""
The configuration of docker-compose.yml -> the same stack without containers, and a flood played through it: Mosquitto, InfluxDB, four programs.

`python -m rig.stack` takes the options of `canhbao demo`. It needs `mosquitto` and `influxd` on PATH (or INFLUXD), and `openssl`.

Rule 1: what containers would be given is read from docker-compose.yml: commands, variables, mounts, secrets. Other are paths, hosts and ports.
Rule 2: secrets, users and tokens are made by the commands that docs/deploy.md names.
Rule 3: it went well if the rehearsal did, and InfluxDB has every reading that was archived, none of them twice.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import urllib3

from rig.brokers import free_port, mosquitto_program
from rig.composition import Machine, services
from rig.influxd import influxd_program
from rig.mosquitto_files import Site, write_configuration
from service.broker import answers
from service.commands.rehearsals import DEFAULT_SCENARIO, DEFAULT_SPEED
from service.exits import CommandError, Exit
from service.observation import spool_now
from service.rehearsal import Rehearsal, Stage, Wiring, play
from service.running import PROGRAMS
from service.secrets import CERTIFICATE, KEY, make_secrets
from service.supervisor import Program, Supervisor

READY = 60.0
CAUGHT_UP = 60.0
"""Seconds that InfluxDB has at the end to be as far as the store."""
_AFTER_PROGRAMS = 1


class RealStack:
    """Mosquitto and InfluxDB as docker-compose.yml has them; fits `service.rehearsal.Ground`."""

    def __init__(self) -> None:
        self._services = services()
        self._mosquitto, self._influxd = _required("mosquitto", mosquitto_program()), _required("influxd", influxd_program())
        self._ports = {port: free_port() for port in (1883, 8883, 8086)}

    def start(self, stage: Stage, supervisor: Supervisor) -> Wiring | None:
        """Make the secrets, start both, and let `canhbao archive init` make the tokens."""
        machine = self._machine(stage)
        make_secrets(machine.secrets, stage.registry.devices, ["localhost", "127.0.0.1"])
        supervisor.add(self._broker(machine, stage))
        supervisor.add(self._influx(machine, stage))
        until = time.monotonic() + READY
        while not (answers("127.0.0.1", self._ports[1883]) and self._influx_is_ready()):
            if not supervisor.step(0.1):
                return None
            if time.monotonic() > until:
                raise CommandError(f"Mosquitto or InfluxDB does not answer within {READY:g} s; see {stage.log('mosquitto').parent}")
        self._init(machine)
        ours = {name: machine.environment(self._services[name]) for name in PROGRAMS}
        gateway = {
            "CANHBAO_BROKER__USERNAME": "gateway",
            "CANHBAO_BROKER__CLIENT_ID": "gateway",
            "CANHBAO_BROKER__PASSWORD_FILE": str(machine.secrets / "services" / "gateway"),
        }
        return Wiring(ours, {**ours["ingest"], **gateway}, f"127.0.0.1:{self._ports[1883]}, with TLS 127.0.0.1:{self._ports[8883]}")

    def faults(self, stage: Stage) -> Sequence[str]:
        """Hold InfluxDB against what ingest archived: every reading, and none of them twice."""
        machine, deadline = self._machine(stage), time.monotonic() + CAUGHT_UP
        while True:
            spool = spool_now(stage.settings.spool_file)
            archived, found = spool.balance.archived if spool else 0, self._in_influx(machine, stage)
            if archived == found:
                sys.stdout.write(f"InfluxDB has all {found} readings that were archived.\n")
                return ()
            if time.monotonic() > deadline:
                return (f"{archived} readings were archived, InfluxDB has {found}",)
            time.sleep(0.5)

    def _machine(self, stage: Stage) -> Machine:
        folder = stage.settings.data
        (folder / "volumes").mkdir(exist_ok=True)
        with suppress(FileExistsError):
            (folder / "volumes" / "data").symlink_to(folder)
        pages = {8080: stage.settings.web.port, 8081: stage.settings.operators.port}
        return Machine(folder / "volumes", folder / "secrets", {**self._ports, **pages}, frozenset(self._services))

    def _broker(self, machine: Machine, stage: Stage) -> Program:
        service = self._services["mosquitto"]
        site = Site(
            machine.volumes / "mosquitto",
            machine.place(service, "/mosquitto/users"),
            machine.place(service, f"/run/secrets/{CERTIFICATE}"),
            machine.place(service, f"/run/secrets/{KEY}"),
            self._ports[1883],
            self._ports[8883],
        )
        configuration = write_configuration(site, _version(self._mosquitto))
        return Program("mosquitto", (self._mosquitto, "-c", str(configuration)), output=stage.log("mosquitto"), wave=_AFTER_PROGRAMS)

    def _influx(self, machine: Machine, stage: Stage) -> Program:
        _, *words = machine.words(self._services["influxdb"])
        return Program("influxdb", (self._influxd, *words), output=stage.log("influxdb"), wave=_AFTER_PROGRAMS)

    def _init(self, machine: Machine) -> None:
        service = self._services["influxdb-init"]
        command = [sys.executable, "-m", "service.cli", *machine.words(service)]
        done = subprocess.run(command, check=False, env=os.environ | machine.environment(service), capture_output=True, text=True)
        if done.returncode:
            raise CommandError(f"canhbao archive init: {done.stderr.strip()}", Exit.UNAVAILABLE)

    def _influx_is_ready(self) -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return urllib3.request("GET", f"http://127.0.0.1:{self._ports[8086]}/health", timeout=1.0, retries=False).status == 200
        return False

    def _in_influx(self, machine: Machine, stage: Stage) -> int:
        """Count the readings, with the token that Grafana is given."""
        token = machine.place(self._services["grafana"], "/run/secrets/influx_read_token").read_text(encoding="utf-8").strip()
        quantities = {sensor.quantity for sensor in stage.registry.sensors()}
        query = "; ".join(f'SELECT count("value") FROM "{quantity}"' for quantity in sorted(quantities))
        url, headers = f"http://127.0.0.1:{self._ports[8086]}/query", {"Authorization": f"Token {token}"}
        results = urllib3.request("GET", url, fields={"db": "canhbao", "q": query}, headers=headers, timeout=20.0).json()["results"]
        return sum(result["series"][0]["values"][0][1] for result in results if "series" in result)


def _required(name: str, path: str | None) -> str:
    if path is None:
        fix = f"install it, or name it in {name.upper()}" if name == "influxd" else "install it from the distribution"
        raise CommandError(f"there is no {name} on this machine; {fix}", Exit.UNAVAILABLE)
    return path


def _version(mosquitto: str) -> str:
    """Give the version of Mosquitto for which there is a part of the configuration."""
    said = subprocess.run([mosquitto, "-h"], check=False, capture_output=True, text=True).stdout
    return "2.0" if "version 2.0" in said else "2.1"


def main() -> int:
    """Play a flood through the real stack; give the exit status."""
    options = argparse.ArgumentParser(prog="python -m rig.stack", description=(__doc__ or "").strip().partition("\n")[0])
    options.add_argument("--scenario", default=DEFAULT_SCENARIO, help="a file of the city's folder scenarios/, without its ending")
    options.add_argument("--speed", type=float, default=DEFAULT_SPEED, help="how many seconds of the flood pass in one of ours")
    options.add_argument("--data", type=Path, help="folder to play in, kept; without it a new one that is removed at the end")
    options.add_argument("--until-end", action="store_true", help="end with the scenario; status 1 unless everything is accounted for")
    options.add_argument("--plain", action="store_true", help="lines instead of a live view")
    given = options.parse_args()
    try:
        return play(Rehearsal(given.scenario, given.speed, given.data), until_end=given.until_end, plain=given.plain, ground=RealStack())
    except CommandError as error:
        sys.stderr.write(f"rig.stack: {error}\n")
        return error.status


if __name__ == "__main__":
    sys.exit(main())

"""
A subscriber that only counts, as a measure of the broker and of this machine: `python -m bench.null '{"port": ..., "messages": ..., "topic": ...}'`.

It says `ready` when it is subscribed, and at the end the seconds of CPU that it used and when the last message came (monotonic seconds), as JSON.

Rule 1: it cuts frames as ingest does, acknowledges what came with each read, and does nothing else.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

from ingest.frames import split
from rig import mqtt

READ = 262_144


def count(port: int, messages: int, topic: str) -> dict[str, Any]:
    """Count so many messages."""
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(mqtt.connect("bench-null"))
        assert link.recv(4)[3] == 0, "the broker refuses the subscriber"
        link.sendall(mqtt.packet(0x82, b"\0\1" + mqtt.text(topic) + b"\1"))
        assert link.recv(5)[4] == 1, "the broker refuses the topic"
        print("ready", flush=True)
        start, seen, rest = time.process_time(), 0, b""
        while seen < messages:
            cut, _, rest = split(rest + link.recv(READ), v5=False)
            if cut:
                link.sendall(b"".join([b"\x40\x02" + message[2] for message in cut]))
                seen += len(cut)
        return {"cpu": time.process_time() - start, "end": time.monotonic()}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(count(given["port"], given["messages"], given["topic"])), flush=True)

"""
Faults of connections: each breaks something in a scene while readings flow, and mends it; nothing is judged here.

Rule 1: a fault that has no single end says in the scene when its last part ended.
Rule 2: readings that a fault sends beside the flow are noted in the scene, by what must become of them.
"""

from __future__ import annotations

import random
import shutil
import socket
import threading
import time

from rig import mqtt
from rig.city import topic_of
from rig.proxy import FASTEST
from torture.liars import LIES, lie, refuse
from torture.scene import Scene


def killed(scene: Scene, seconds: float) -> None:
    """Kill -9 the broker, and start it after a while."""
    scene.broker.kill()
    time.sleep(seconds)
    scene.broker.start()


def frozen(scene: Scene, seconds: float) -> None:
    """Stop the broker as a process: connections stay and nobody answers."""
    scene.broker.freeze()
    time.sleep(seconds)
    scene.broker.thaw()


def cut(scene: Scene, times: int) -> None:
    """End the connection in the middle of frames, by FIN and by RST in turn; the next cut comes when readings flow again."""
    chance = random.Random(1)
    for turn in range(times):
        harm = scene.proxy.harm("fin" if turn % 2 else "rst", chance.randrange(1, 20_000))
        assert harm.done.wait(30), "nothing passes that could be cut"
        scene.ended_at = time.time()
        scene.moves(50)


def wiped(scene: Scene) -> None:
    """Start the broker again with nothing of what it kept."""
    scene.broker.stop()
    shutil.rmtree(scene.folder / "broker" / "mosquitto")
    (scene.folder / "broker" / "mosquitto").mkdir()
    scene.broker.start()


def refused(scene: Scene, seconds: float) -> None:
    """Let nobody listen."""
    scene.proxy.refuse()
    time.sleep(seconds)
    scene.proxy.accept()


def refused_by_word(scene: Scene, seconds: float) -> None:
    """Answer CONNECT with a refusal, another reason each time."""
    reasons = iter((0x87, 0x88, 0x89, 0x8A, 0x97, 0x9F) * 100)
    scene.proxy.instead = lambda link: refuse(link, next(reasons))
    scene.proxy.end_all()
    time.sleep(seconds)
    scene.proxy.instead = None


def slow(scene: Scene, seconds: float) -> None:
    """Let the link be slower than what is sent, and then good again."""
    weather = scene.proxy.weather
    weather.latency, weather.rate = 0.2, 50_000
    time.sleep(seconds)
    scene.more["behind"] = max(0, len(scene.flow.sent) - scene.received())
    weather.latency, weather.rate = 0.0, FASTEST


def held(scene: Scene, seconds: float) -> None:
    """Let nothing pass, without a word."""
    scene.proxy.weather.is_held = True
    time.sleep(seconds)
    scene.proxy.weather.is_held = False


def spoilt(scene: Scene, times: int) -> None:
    """Turn the bits of single bytes on the wire."""
    chance = random.Random(2)
    for _ in range(times):
        harm = scene.proxy.harm("spoil", chance.randrange(1, 20_000))
        assert harm.done.wait(60), "nothing passes that could be spoilt"
        scene.ended_at = time.time()
        scene.moves(50)
    if scene.proxy.tls is None:
        scene.more["spoilt"] = times


def churn(scene: Scene, seconds: float) -> None:
    """Let devices come, say something and vanish without a word, 100 a minute."""
    until, turn = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with socket.create_connection((scene.broker.host, scene.broker.port), 5) as link:
            link.sendall(mqtt.connect(f"device-{turn % 30}", keepalive=5))
            assert link.recv(4, socket.MSG_WAITALL)[3:] == b"\0", "the broker refuses a device"
            link.sendall(mqtt.publish("canhbao/v1/visitor/up", b"%d" % turn, 1))
            assert link.recv(4, socket.MSG_WAITALL)[:1] == b"\x40", "the broker does not acknowledge"
        turn += 1
        time.sleep(0.6)
    scene.more["unknown_device"] = turn


def full(scene: Scene, messages: int) -> None:
    """Stop ingest until as many messages are on their way to it as it may have, and more wait."""
    scene.town.freeze("ingest")
    wanted = len(scene.flow.sent) + messages
    while len(scene.flow.sent) < wanted:
        time.sleep(0.05)
    scene.town.thaw("ingest")


def too_large(scene: Scene) -> None:
    """Send what is larger than we take, and what is larger than the broker takes."""
    payload = b'{"v":1,"boot":1,"seq":1,"at":1,"m":{"water_level":9},"x":"%s"}' % (b"x" * 300_000)
    for mid, size in enumerate((1, 2, 8), 1):
        with socket.create_connection((scene.broker.host, scene.broker.port), 5) as link:
            link.sendall(mqtt.connect("large", keepalive=5))
            link.recv(4, socket.MSG_WAITALL)
            try:
                link.sendall(mqtt.publish(topic_of(9), payload * size, mid))
                link.recv(4, socket.MSG_WAITALL)
            except OSError:  # the broker throws it out
                continue
    scene.more["too_large"] = 1


def liar(scene: Scene, every: int = 1) -> None:
    """Let connections end at a broker that breaks the protocol, each in another way; `every`: of so many ways one."""
    lies, over = LIES[::every], threading.Event()

    def serve(link: socket.socket) -> None:
        if lies:
            scene.more.update(lie(link, lies.pop(0)))
        else:
            over.set()

    scene.proxy.instead = serve
    scene.proxy.end_all()
    assert over.wait(120), f"{len(lies)} lies were not heard: {scene.town.fallen()}{scene.town.tails()}"
    scene.proxy.instead = None

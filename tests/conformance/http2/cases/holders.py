"""Clients that hold what others need: the connections to a backend, of which there are a few (connections_max)."""
import time

from support import wire
from support.backend import replies
from support.client import request
from support.registry import case, check, equal

STREAMS = 16  # twice as many as there are connections


def uploads(client, content=b""):
    for number in range(STREAMS):
        stream = client.begin(request(f"/few/held/{number}", ("content-length", "1000000"), method="POST"), end=False)
        if content:
            client.send_data(stream, content)
    client.settle()


@case("RFC9113-10.5", "requests whose content does not come hold no connection to the backend")
def unsent_content(lab):
    for _ in range(3):
        uploads(lab.connect())
    for _ in range(3):
        lab.connect().get("/few/other")
    equal(lab.backend.paths(), ["/few/other"] * 3, "the requests at the backend")


@case("RFC9113-10.5", "requests whose content stops give their connections to those that can go on", needs_clock=True)
def stopped_content(lab):
    for number in range(STREAMS):
        lab.backend.on(f"/few/held/{number}", lambda visit: visit.wait_until_gone())
    client = lab.connect()
    uploads(client, b"x")
    lab.gateway.advance(1)
    for _ in range(3):
        lab.connect().get("/few/other")
    check("upstream_connection_gives_way upstream=few in_use=8" in lab.gateway.errors(), "expected the log to tell who holds the connections")
    client.until(lambda: any(stream.status == 408 for stream in client.streams.values()), "a 408 for one that gave way")
    client.expect_alive()


@case("RFC9113-10.5", "answers without content that a client does not read hold no connections either", needs_clock=True)
def unread_heads(lab):
    lab.backend.on("/big", replies(body=bytes(32 << 20)))
    client = lab.connect(settings=[(wire.INITIAL_WINDOW_SIZE, 0x7fffffff)])
    client.send(wire.window_update(0, 0x7fffffff - wire.WINDOW))
    client.begin(request("/big"))
    time.sleep(1)  # until nothing more of it goes into the connection, which nobody reads
    for number in range(STREAMS):
        lab.backend.on(f"/few/none/{number}", replies(204, framing=False))
        client.begin(request(f"/few/none/{number}"))
    lab.connect().get("/still/there")
    lab.gateway.advance(3)
    for _ in range(3):
        lab.connect().get("/few/other")
    check("upstream_connection_gives_way upstream=few" in lab.gateway.errors(), "expected the log to tell of it")

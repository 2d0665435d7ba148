"""Clients that hold what others need: the connections to a backend, of which there are a few (connections_max)."""
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

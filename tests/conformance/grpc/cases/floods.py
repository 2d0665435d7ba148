"""Backends that make work without end: their connection ends within a bounded count, the client is told, and the gateway lives."""
from support import blocks, wire
from support.client import request
from support.registry import case, check

MOST = 400000  # frames of which none may be taken for ever
BATCH = 100
INTERIM_MOST = 20000
STATUS_103 = blocks.literal(b":status", b"103")


def asked(lab, do, *statuses):
    """A request that the backend answers so: the client gets one of these, or a reset, and the next one is served."""
    peer = lab.peer()
    peer.on("/asked", do)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    came = client.streams[client.begin(request("/asked", method="POST"))]
    client.until(lambda: came.over, "an end of the stream")
    check(came.reset is not None or came.status in statuses, f"expected {statuses} or a reset; came: {client.told()}, status {came.status}")
    lab.client(gateway).get("/next")
    return peer


def flood(section, name, octets, begin=None):
    """octets(call): one frame of it, or one round. begin(call): what is sent in front."""

    @case(section, f"{name} without end: the connection ends, and the client is told")
    def run(lab):
        def do(call):
            if begin:
                begin(call)
            for _ in range(MOST // BATCH):
                if call.link.gone.is_set() or not call.link.send(octets(call) * BATCH):
                    return
                if call.gone.is_set() and call.reset_code is None:
                    return

        peer = asked(lab, do, 502, 503)
        check(peer.call("/asked").link.gone.wait(20), "expected the end of the backend's connection, it did not come")


flood("CVE-2019-9512", "PING", lambda _: wire.ping())
flood("CVE-2019-9515", "SETTINGS", lambda _: wire.settings())
flood("CVE-2019-9518", "empty DATA", lambda call: wire.frame(wire.DATA, 0, call.stream), begin=lambda call: call.head())
flood("CVE-2024-27316", "CONTINUATION", lambda call: wire.frame(wire.CONTINUATION, 0, call.stream, blocks.literal(b"x-a", b"b")),
      begin=lambda call: call.link.send(wire.frame(wire.HEADERS, 0, call.stream, b"\x88")))
flood("CVE-2024-27316", "empty CONTINUATION", lambda call: wire.frame(wire.CONTINUATION, 0, call.stream),
      begin=lambda call: call.link.send(wire.frame(wire.HEADERS, 0, call.stream, b"\x88")))


@case("RFC9110-15.2", "interim answers without end are an error, and the gateway lives")
def interim_flood(lab):
    def do(call):
        octets = wire.frame(wire.HEADERS, wire.END_HEADERS, call.stream, STATUS_103)
        for _ in range(INTERIM_MOST // BATCH):
            if call.gone.is_set() or not call.link.send(octets * BATCH):
                return
        call.answer()

    asked(lab, do, 502, 503)


@case("RFC9113-6.7", "PING is answered")
def ping(lab):
    acknowledged = []

    def do(call):
        call.link.send(wire.ping(b"are you?"))
        is_answer = lambda frame: frame.type == wire.PING and frame.has(wire.ACK) and frame.payload == b"are you?"
        acknowledged.append(call.link.wait(lambda: any(map(is_answer, call.link.frames)), 20))
        call.answer()

    peer = lab.peer()
    peer.on("/asked", do)
    lab.client(lab.front(peer)).get("/asked")
    check(acknowledged == [True], "expected the acknowledgement of PING, it did not come")


@case("RFC9113-6.7", "PING is answered on a connection that nobody uses just then")
def ping_idle(lab):
    peer = lab.peer()
    lab.client(lab.front(peer)).get("/asked")
    link = peer.link()
    link.send(wire.ping(b"are you?"))
    check(link.wait(lambda: any(frame.type == wire.PING and frame.has(wire.ACK) for frame in link.frames), 20),
          "expected the acknowledgement of PING, it did not come")


@case("RFC9113-6.5.3", "SETTINGS are acknowledged")
def settings(lab):
    peer = lab.peer()
    lab.client(lab.front(peer)).get("/asked")
    link = peer.link()
    check(link.wait(lambda: link.settled, 20), "expected the acknowledgement of SETTINGS, it did not come")

"""Calls that hold what others need: the streams of a backend, of which there are two."""
from support import wire
from support.client import request
from support.registry import case, check

PATTERN = bytes(range(256)) * 1024


def two_streams(lab):
    peer = lab.peer(settings=[(wire.MAX_CONCURRENT_STREAMS, 2)])
    return peer, lab.front(peer, upstream="connections_max: 1")


@case("RFC9113-5.1.2", "a call that sends no message gives its stream to one that can go on", needs_clock=True)
def silent_calls(lab):
    peer, gateway = two_streams(lab)
    client = lab.client(gateway)
    fields = request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), method="POST")
    peer.on("/test.Peer/Call", lambda call: call.wait_until_gone())
    silent = [client.begin(fields, end=False) for _ in range(2)]
    calls = [peer.call("/test.Peer/Call", number) for number in range(2)]  # the backend may be the first to speak
    lab.late(gateway, 1)
    lab.client(gateway).get("/other")
    client.until(lambda: any(client.streams[stream].over for stream in silent), "the end of one of the calls")
    ended = [client.streams[stream] for stream in silent if client.streams[stream].over]
    check(len(ended) == 1 and ended[0].value(b"grpc-status") == b"1", f"expected one CANCELLED; came: {client.told()}")
    check(any(call.gone.is_set() for call in calls), "expected that its stream is reset at the backend")


@case("RFC9113-5.1.2", "a call whose answer nobody reads gives its stream to one that can go on", needs_clock=True)
def slow_readers(lab):
    peer, gateway = two_streams(lab)
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    for number in range(2):
        peer.on(f"/{number}", lambda call: call.answer(body=PATTERN))
        stream = client.begin(request(f"/{number}"))
        client.until(lambda: len(client.streams[stream].body) == 10, "ten octets")
    lab.late(gateway, 2)
    lab.client(gateway).get("/other")
    check("upstream_connection_gives_way upstream=peers in_use=2" in gateway.errors(), "expected the log to tell who holds the streams")


@case("RFC9113-5.1.2", "a call that is silent while its backend speaks keeps its stream, until another needs it", needs_clock=True)
def silent_beside_an_answer(lab):
    peer, gateway = two_streams(lab)
    client = lab.client(gateway)
    fields = request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), method="POST")

    def begin_to_answer(call):
        call.head(200, ("content-type", "application/grpc"))
        call.data(b"\0\0\0\0\0")
        call.wait_until_gone()

    peer.on("/test.Peer/Call", begin_to_answer)
    silent = [client.begin(fields, end=False) for _ in range(2)]
    client.until(lambda: all(len(client.streams[stream].body) == 5 for stream in silent), "a message of each call")
    lab.late(gateway, 20)
    client.settle()
    check(not any(client.streams[stream].over for stream in silent), f"expected that both go on; came: {client.told()}")
    lab.client(gateway).get("/other")
    client.until(lambda: any(client.streams[stream].over for stream in silent), "the end of one of the calls")
    check(not all(client.streams[stream].over for stream in silent), f"expected that the other goes on; came: {client.told()}")
    calls = [peer.call("/test.Peer/Call", number) for number in range(2)]
    check(any(call.gone.is_set() for call in calls), "expected that its stream is reset at the backend")

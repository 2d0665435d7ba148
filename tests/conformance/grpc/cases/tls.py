"""Backends of HTTP/2 over TLS: h2:// (RFC 9113 section 3.2)."""
import grpc

from support.client import request
from support.method import expect_status
from support.patience import PATIENCE
from support.peer import grpc_replies
from support.registry import case, check, equal


@case("RFC9113-3.2", "h2:// asks for h2 by ALPN, and goes on over TLS")
def agreed(lab):
    peer = lab.peer(secure=True)
    client = lab.client(lab.front(peer))
    for number in range(5):
        equal(bytes(client.get(f"/{number}").body), b"hello", "the content")
    equal(len(peer.links), 1, "the connections")
    equal(peer.link().socket.selected_alpn_protocol(), "h2", "the protocol agreed on")


@case("RFC9113-3.2", "h2:// carries gRPC")
def call(lab):
    peer = lab.peer(secure=True)
    peer.on("/test.Peer/Call", grpc_replies(b"secure"))
    stub = lab.channel(lab.front(peer)).unary_unary("/test.Peer/Call")
    equal(stub(b"", timeout=PATIENCE), b"secure", "the answer")


def refused(name, **options):
    @case("RFC9113-3.2", f"h2:// {name}: 503, and no request")
    def plain(lab):
        peer = lab.peer(secure=True, **options)
        client = lab.client(lab.front(peer))
        client.get("/asked", status=503)
        equal(peer.paths(), [], "the requests at the backend")

    @case("RFC9113-3.2", f"h2:// {name}: gRPC is told UNAVAILABLE")
    def of_grpc(lab):
        peer = lab.peer(secure=True, **options)
        stub = lab.channel(lab.front(peer)).unary_unary("/test.Peer/Call")
        expect_status(lambda: stub(b"", timeout=PATIENCE), grpc.StatusCode.UNAVAILABLE)


refused("to a backend that chooses HTTP/1.1 by ALPN", protocols=("http/1.1",))
refused("to a backend that knows no ALPN", protocols=())


@case("RFC9113-3.2", "h2:// to a backend that speaks no TLS: 503")
def not_tls(lab):
    peer = lab.peer()
    peer.secure = True  # so it is said in the config
    lab.client(lab.front(peer)).get("/asked", status=503)
    equal(peer.paths(), [], "the requests at the backend")


@case("RFC9113-3.3", "h2c:// to a backend that wants TLS is 502 or 503")
def not_plain(lab):
    peer = lab.peer(secure=True)
    peer.secure = False
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked"))
    came = client.streams[stream]
    client.until(lambda: came.over, "an end of the stream")
    check(came.status in (502, 503), f"expected 502 or 503, came: {client.told()}")


@case("RFC9113-3.2", "of two h2:// backends, the one that does not choose h2 gets nothing, and the other all")
def one_of_two(lab):
    peers = [lab.peer(secure=True, protocols=("http/1.1",)), lab.peer(secure=True)]
    client = lab.client(lab.front(*peers))
    for number in range(6):
        client.get(f"/{number}")
    equal([len(peer.paths()) for peer in peers], [0, 6], "the requests at each backend")

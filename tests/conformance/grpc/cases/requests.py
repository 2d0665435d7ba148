"""What a backend of HTTP/2 gets of a request (RFC 9113 section 8.3.1; RFC 9110 section 7.6)."""
import re

from support import wire
from support.client import request
from support.registry import case, check, equal

HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"host", b"expect", b"x-hop"}
PSEUDO = [b":authority", b":method", b":path", b":scheme"]
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


def ask(lab, fields, content=None, path="/asked", **options):
    """The request as the backend gets it, after it has been answered."""
    peer = lab.peer(**options)
    client = lab.client(lab.front(peer))
    stream = client.begin(fields, end=content is None)
    if content is not None:
        client.upload(stream, content)
    client.answer(stream)
    peer.expect_order()
    return peer, peer.call(path)


@case("RFC9113-8.3.1", "GET is HEADERS with END_STREAM, and four pseudo header fields in front")
def get(lab):
    peer, call = ask(lab, request("/asked?a=1&b=%20"), path="/asked?a=1&b=%20")
    check(call.ended_with_head, "expected END_STREAM on HEADERS, it came later")
    equal(sorted(call.names()[:4]), PSEUDO, "the first fields")
    check(not any(name.startswith(b":") for name in call.names()[4:]), f"expected no other pseudo header fields, came {call.names()}")
    equal([call.value(name) for name in PSEUDO], [b"127.0.0.1:%d" % peer.port, b"GET", b"/asked?a=1&b=%20", b"http"], "their values")
    equal(call.values(b"host"), [], "host beside :authority")


@case("RFC9113-8.3.1", "over TLS the scheme is https, and h2 was agreed on by ALPN")
def get_over_tls(lab):
    peer, call = ask(lab, request("/asked"), secure=True)
    equal(call.value(b":scheme"), b"https", ":scheme")
    equal(call.value(b":authority"), b"127.0.0.1:%d" % peer.port, ":authority")
    equal(call.link.socket.selected_alpn_protocol(), "h2", "the protocol agreed on")


@case("RFC9113-8.2", "names are lower case, and what was said for the hop before is gone")
def names(lab):
    peer = lab.peer()
    client = lab.old_client(lab.front(peer))
    client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\nConnection: close, Keep-Alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n"
                   b"X-Kept: Kept\r\nTE: trailers\r\n\r\n")
    check(client.recv(65536).startswith(b"HTTP/1.1 200 "), "expected 200, came another answer")
    call = peer.call("/asked")
    check(all(name == name.lower() for name in call.names()), f"expected lower case, came {call.names()}")
    equal(set(call.names()) & HOP_BY_HOP, set(), "fields of the hop before")
    equal(call.values(b"x-kept"), [b"Kept"], "another field")


@case("RFC9113-8.2.2", "te: trailers reaches the backend")
def te(lab):
    _, call = ask(lab, request("/asked", *GRPC, method="POST"), b"\0\0\0\0\0")
    equal(call.values(b"te"), [b"trailers"], "te")


@case("RFC9113-8.2.2", "te never says more than trailers")
def te_of_http1(lab):
    peer = lab.peer()
    client = lab.old_client(lab.front(peer))
    client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\nConnection: close, TE\r\nTE: gzip, trailers;q=0.5\r\n\r\n")
    client.recv(65536)
    check(peer.call("/asked").values(b"te") in ([], [b"trailers"]), f"expected trailers or nothing, came {peer.call('/asked').values(b'te')}")


@case("RFC9113-8.3.1", "the backend is told who asked, for what, and by which id")
def forwarded(lab):
    _, call = ask(lab, request("/asked", ("x-forwarded-for", "6.6.6.6"), ("x-client-id", "root"), ("x-request-id", "mine")))
    equal([call.values(name) for name in (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-client-id")],
          [[b"127.0.0.1"], [b"https"], [b"api.test"], []], "what it is told")
    check(re.fullmatch(rb"[0-9a-f]{32}", call.value(b"x-request-id") or b""), f"expected an id of ours, came {call.value(b'x-request-id')}")
    check(call.value(b"traceparent") is not None, f"expected traceparent, came {call.names()}")


@case("RFC9113-8.1.1", "the content-length of a request stays")
def counted(lab):
    _, call = ask(lab, request("/asked", ("content-length", "9"), method="POST"), b"nine nine")
    equal((call.values(b"content-length"), bytes(call.content)), ([b"9"], b"nine nine"), "the length and the content")


@case("RFC9113-8.1.1", "content whose length nobody knows comes without content-length")
def uncounted(lab):
    _, call = ask(lab, request("/asked", method="POST"), b"some")
    call.expect_whole()
    check(call.values(b"content-length") in ([], [b"4"]), f"expected none, or the right one, came {call.values(b'content-length')}")
    equal(bytes(call.content), b"some", "the content")


@case("RFC9113-8.1", "POST without content ends at once")
def empty_post(lab):
    _, call = ask(lab, request("/asked", method="POST"))
    call.expect_whole()
    equal(bytes(call.content), b"", "the content")


@case("RFC9113-8.1", "POST whose content-length is 0 ends at once, and says so")
def zero_post(lab):
    _, call = ask(lab, request("/asked", ("content-length", "0"), method="POST"))
    call.expect_whole()
    equal((call.values(b"content-length"), bytes(call.content)), ([b"0"], b""), "the length and the content")


def method(name):
    @case("RFC9113-8.3.1", f"{name} is {name}")
    def run(lab):
        _, call = ask(lab, request("/asked", method=name))
        equal(call.value(b":method"), name.encode(), ":method")


for one in ("HEAD", "PUT", "DELETE", "OPTIONS", "Brew-It"):
    method(one)


@case("RFC9113-8.2.1", "fields keep their repetitions, their order and their octets")
def fields_kept(lab):
    _, call = ask(lab, request("/asked", ("x-b", "2"), ("x-a", "1, \"q\";\t\xe9"), ("x-b", "3"), ("x-empty", "")))
    equal([call.values(name) for name in (b"x-b", b"x-a", b"x-empty")], [[b"2", b"3"], [b"1, \"q\";\t\xc3\xa9"], [b""]], "their values")


@case("RFC9113-8.2.3", "cookies are the same, in one field or in several")
def cookies(lab):
    _, call = ask(lab, request("/asked", ("cookie", "a=b"), ("cookie", "c=d; e=f")))
    equal(b"; ".join(call.values(b"cookie")), b"a=b; c=d; e=f", "the cookies")


@case("RFC9113-6.10", "a head that is larger than a frame is continued")
def large_head(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    fields = [("x-large-1", "q%" * 5000), ("x-large-2", "w~" * 5000)]  # by Huffman's code 20000 octets, too
    block = client.encoder.encode(request("/asked", *fields))
    stream = client.new_stream()
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, stream, block[:10000])
                + wire.frame(wire.CONTINUATION, wire.END_HEADERS, stream, block[10000:]))
    client.answer(stream)
    call = peer.call("/asked")
    equal([call.value(b"x-large-1"), call.value(b"x-large-2")], [b"q%" * 5000, b"w~" * 5000], "the fields")
    check(call.link.count(wire.CONTINUATION) > 0, "expected CONTINUATION, came none")


@case("RFC9113-8.1", "more trailers of a request than the gateway takes: the backend gets no request that looks whole")
def too_many_trailers(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.read_content(), call.answer()))
    client = lab.client(lab.front(peer))
    stream = client.new_stream()
    head = client.encoder.encode(request("/asked", method="POST"))
    trailers = client.encoder.encode([(f"x-{number}", "1") for number in range(150)])
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS, stream, head) + wire.frame(wire.DATA, 0, stream, b"hello")
                + wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, stream, trailers))
    client.answer(stream, 431)
    peer.call("/asked").expect_gone()
    client.get("/next")


def with_trailers(lab, *trailers):
    """A request that ends with them, as it comes to the backend."""
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, b"content")
    client.send_headers(stream, list(trailers))
    client.answer(stream)
    peer.expect_order()
    return peer.call("/asked")


@case("RFC9110-6.5.1", "what a client may not say of itself in a header, it does not say in a trailer")
def trailers_of_ours(lab):
    call = with_trailers(lab, ("x-sum", "42"), ("x-client-id", "root"), ("x_client_id", "root"), ("x.client.id", "root"), ("forwarded", "for=1.2.3.4"),
                         ("x-real-ip", "1.2.3.4"), ("content_length", "7"),
                         ("x-forwarded-for", "1.2.3.4"), ("authorization", "Bearer x"), ("content-length", "7"), ("host", "other.test"))
    equal(call.trailers, [(b"x-sum", b"42")], "the trailers")


@case("RFC9113-8.1", "trailers of a request reach the backend")
def trailers(lab):
    call = with_trailers(lab, ("x-sum", "42"), ("x-other", "43"))
    equal(bytes(call.content), b"content", "the content")
    equal(sorted(call.trailers or []), [(b"x-other", b"43"), (b"x-sum", b"42")], "the trailers")


@case("RFC9113-8.1", "Expect: 100-continue is for the gateway, which answers it")
def expectation(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", ("expect", "100-continue"), ("content-length", "3"), method="POST"), end=False)
    came = client.streams[stream]
    client.until(lambda: came.informational, "an informational answer")
    client.send_data(stream, b"yes", end=True)
    client.answer(stream)
    equal(peer.call("/asked").values(b"expect"), [], "expect at the backend")
    equal(bytes(peer.call("/asked").content), b"yes", "the content at the backend")


@case("RFC9113-8.7", "the gateway's preface is right, and it wants nothing pushed")
def preface(lab):
    _, call = ask(lab, request("/asked"))
    first = call.link.frames[0]
    check(first.type == wire.SETTINGS and not first.has(wire.ACK), f"expected SETTINGS first, came {first}")
    equal(call.link.windows.settings.get(wire.ENABLE_PUSH), 0, "ENABLE_PUSH")
    equal(call.stream, 1, "the first stream")

"""Clients of HTTP/1.1 in front of backends of HTTP/2."""
from support import wire
from support.peer import replies
from support.registry import case, check, equal


def ask(lab, octets, do=None, path="/asked"):
    """All that the client gets for these octets, which ask for the end of the connection, and the request at the backend."""
    peer = lab.peer()
    peer.on(path, do or replies())
    client = lab.old_client(lab.front(peer))
    client.sendall(octets)
    came = b"".join(iter(lambda: client.recv(65536), b""))
    peer.expect_order()
    return came, peer.call(path)


def request(method="GET", *fields, content=b"", path="/asked"):
    lines = [f"{method} {path} HTTP/1.1", "Host: api.test", "Connection: close", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def split(came):
    head, _, body = came.partition(b"\r\n\r\n")
    return head.lower().split(b"\r\n"), body


def chunks(body):
    """The content of a chunked body, and the lines of its trailers."""
    content = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return content, [line for line in body.split(b"\r\n") if line]
        content, body = content + body[:length], body[length + 2:]


@case("HTTP/1.1", "GET")
def get(lab):
    came, call = ask(lab, request(), replies(headers=[("content-length", "5"), ("x-kept", "Kept")]))
    lines, body = split(came)
    equal((lines[0], body), (b"http/1.1 200 ok", b"hello"), "the first line and the content")
    check(b"x-kept: kept" in lines and b"content-length: 5" in lines, f"expected the fields, came {lines}")
    check(call.ended_with_head, "expected END_STREAM on HEADERS, it came later")


@case("HTTP/1.1", "an answer whose length is not told comes in chunks")
def chunked_answer(lab):
    came, _ = ask(lab, request(), lambda call: (call.head(), call.send_content(b"one", end=False), call.send_content(b"two")))
    lines, body = split(came)
    check(b"transfer-encoding: chunked" in lines, f"expected chunks, came {lines}")
    equal(chunks(body), (b"onetwo", []), "the content and the trailers")


@case("HTTP/1.1", "POST with a length")
def counted_post(lab):
    came, call = ask(lab, request("POST", "Content-Length: 7", content=b"counted"))
    check(came.startswith(b"HTTP/1.1 200 "), f"expected 200, came {came[:100]}")
    equal((call.values(b"content-length"), bytes(call.content)), ([b"7"], b"counted"), "the length and the content at the backend")


@case("HTTP/1.1", "POST in chunks")
def chunked_post(lab):
    came, call = ask(lab, request("POST", "Transfer-Encoding: chunked", content=b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"))
    check(came.startswith(b"HTTP/1.1 200 "), f"expected 200, came {came[:100]}")
    equal((call.values(b"transfer-encoding"), bytes(call.content)), ([], b"onetwo"), "the coding and the content at the backend")


@case("HTTP/1.1", "POST in chunks with trailers arrives whole, without them")
def chunked_post_with_trailers(lab):
    came, call = ask(lab, request("POST", "Transfer-Encoding: chunked", content=b"3\r\none\r\n0\r\nX-Sum: 42\r\n\r\n"))
    check(came.startswith(b"HTTP/1.1 200 "), f"expected 200, came {came[:100]}")
    equal((bytes(call.content), call.trailers), (b"one", None), "the content and the trailers at the backend")


@case("HTTP/1.1", "POST of 3 MB arrives as it was sent")
def large_post(lab):
    content = b"".join(b"%07d\n" % i for i in range(400000))
    came, call = ask(lab, request("POST", f"Content-Length: {len(content)}", content=content))
    check(came.startswith(b"HTTP/1.1 200 "), f"expected 200, came {came[:100]}")
    check(bytes(call.content) == content, "expected the content as it was sent, came another")


@case("HTTP/1.1", "HEAD has no content, whatever the length")
def head(lab):
    came, _ = ask(lab, request("HEAD"), lambda call: call.head(200, ("content-length", "1234"), end=True))
    lines, body = split(came)
    equal(body, b"", "the content")
    check(b"content-length: 1234" in lines, f"expected the length, came {lines}")


def empty(status):
    @case("HTTP/1.1", f"{status} has no content and no coding")
    def run(lab):
        came, _ = ask(lab, request(), lambda call: call.head(status, end=True))
        lines, body = split(came)
        check(lines[0].startswith(b"http/1.1 %d " % status), f"expected {status}, came {lines[0]}")
        equal((body, b"transfer-encoding: chunked" in lines), (b"", False), "the content, and whether it is in chunks")


empty(204)
empty(304)


@case("HTTP/1.1", "an empty answer is empty, and ends")
def empty_answer(lab):
    came, _ = ask(lab, request(), replies(body=b""))
    lines, body = split(came)
    check(body == b"" and b"content-length: 0" in lines or chunks(body) == (b"", []), f"expected no content, came {came}")


@case("HTTP/1.1", "trailers reach a client that says TE: trailers, in chunks")
def trailers(lab):
    octets = request("GET", "TE: trailers").replace(b"Connection: close", b"Connection: close, TE")
    came, _ = ask(lab, octets, replies(trailers=[("x-sum", "42"), ("x-other", "43")]))
    lines, body = split(came)
    check(b"transfer-encoding: chunked" in lines, f"expected chunks, came {lines}")
    content, last = chunks(body)
    equal((content, sorted(line.lower() for line in last)), (b"hello", [b"x-other: 43", b"x-sum: 42"]), "the content and the trailers")


@case("HTTP/1.1", "trailers do not reach a client that does not say so")
def no_trailers(lab):
    came, _ = ask(lab, request(), replies(trailers=[("x-sum", "42")]))
    lines, body = split(came)
    if b"transfer-encoding: chunked" in lines:
        equal(chunks(body), (b"hello", []), "the content and the trailers")
    else:
        equal(body, b"hello", "the content")
    check(b"x-sum" not in came.lower(), f"expected no trailers, came {came}")


@case("HTTP/1.1", "more trailers than a head may have fields are no matter to a client that gets none")
def too_many_for_nobody(lab):
    came, _ = ask(lab, request(), replies(trailers=[("x-sum", "42")] * 201))
    body = came.partition(b"\r\n\r\n")[2]
    equal(chunks(body), (b"hello", []), "the content and the trailers")


@case("HTTP/1.1", "trailers of an answer with a length are dropped, and the answer is whole")
def trailers_of_counted(lab):
    octets = request("GET", "TE: trailers").replace(b"Connection: close", b"Connection: close, TE")
    came, _ = ask(lab, octets, replies(headers=[("content-length", "5")], trailers=[("x-sum", "42")]))
    lines, body = split(came)
    content = chunks(body)[0] if b"transfer-encoding: chunked" in lines else body
    equal(content, b"hello", "the content")
    check(not (b"transfer-encoding: chunked" in lines and b"content-length: 5" in lines), f"expected one framing, came {lines}")


@case("HTTP/1.1", "requests over one connection, one after the other, share one to the backend")
def kept_alive(lab):
    peer = lab.peer()
    client = lab.old_client(lab.front(peer))
    for number in range(20):
        peer.on(f"/{number}", replies(headers=[("content-length", "5")]))
        client.sendall(b"GET /%d HTTP/1.1\r\nHost: api.test\r\n\r\n" % number)
        came = b""
        while not came.endswith(b"\r\n\r\nhello"):
            octets = client.recv(65536)
            check(octets, f"expected an answer, the connection ended after {came}")
            came += octets
    equal((len(peer.paths()), len(peer.links)), (20, 1), "the requests and the connections at the backend")


@case("HTTP/1.1", "103 of the backend comes before the answer")
def early_hints(lab):
    came, _ = ask(lab, request(), lambda call: (call.head(103, ("link", "</a>")), call.answer(headers=[("content-length", "5")])))
    interim, _, came = came.partition(b"\r\n\r\n")
    check(interim.startswith(b"HTTP/1.1 103 "), f"expected 103, came {interim}")
    check(came.startswith(b"HTTP/1.1 200 ") and came.endswith(b"\r\n\r\nhello"), f"expected the answer, came {came}")


@case("HTTP/1.1", "Upgrade to a WebSocket has no way to a backend of HTTP/2: 403")
def upgrade(lab):
    peer = lab.peer()
    client = lab.old_client(lab.front(peer))
    client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    came = client.recv(65536)
    check(came.startswith(b"HTTP/1.1 403 "), f"expected 403, came {came[:100]}")
    equal(peer.paths(), [], "the requests at the backend")


@case("HTTP/1.1", "a backend's reset before the answer is 502 or 503")
def reset(lab):
    came, _ = ask(lab, request("POST", "Content-Length: 0"), lambda call: call.reset(wire.INTERNAL_ERROR))
    check(came.startswith((b"HTTP/1.1 502 ", b"HTTP/1.1 503 ")) and b"application/problem+json" in came, f"expected 502 or 503, came {came[:200]}")


@case("HTTP/1.1", "as many headers as a config may allow reach the backend")
def many_headers(lab):
    fields = [f"X-{number:03d}: {'v' * 52}" for number in range(970)]
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.read_content(), call.answer()))
    client = lab.old_client(lab.front(peer, http="{ header_bytes: 60KiB, headers: 1000 }"))
    client.sendall(request("GET", *fields))
    came = b"".join(iter(lambda: client.recv(65536), b""))
    check(came.startswith(b"HTTP/1.1 200 "), f"expected 200, came {came[:100]}")
    equal(sum(name.startswith(b"x-") and len(name) == 5 for name in peer.call("/asked").names()), len(fields), "the headers that reach the backend")

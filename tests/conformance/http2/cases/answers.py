"""What the client gets of the backend's answer (RFC 9113 section 8)."""
from support import wire
from support.backend import replies, sends
from support.client import request
from support.registry import case, check, equal

HOP_BY_HOP = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te", b"x-hop")
PATTERN = b"".join(b"%07d\n" % i for i in range(131072))  # 1 MiB that shows where it was cut


def ask(lab, do, path="/answer", status=200, method="GET", **options):
    lab.backend.on(path, do)
    return lab.connect(**options).get(path, status=status, method=method)


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@case("RFC9113-8.3.2", "an answer begins with :status and nothing else of its line")
def status_line(lab):
    came = ask(lab, replies(418, [("X-Kept", "1")], b"short"), status=418)
    equal(came.head[0], (b":status", b"418"), "the first field")
    check(not any(name.startswith(b":") for name, _ in came.head[1:]), f"expected no other pseudo header, came {came.head}")
    equal(bytes(came.body), b"short", "the content")


@case("RFC9113-8.2", "names of an answer are lower case, and values and their order stay")
def names_of_answer(lab):
    came = ask(lab, replies(headers=[("X-Upper-CASE", "Value"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Empty", ""), ("Vary", "A, b")]))
    check(all(name == name.lower() for name, _ in came.head), f"expected lower case, came {came.head}")
    equal(came.value(b"x-upper-case"), b"Value", "a value")
    equal(came.values(b"set-cookie"), [b"a=1", b"b=2"], "the cookies")
    equal(came.value(b"x-empty"), b"", "an empty value")


@case("RFC9113-8.2.2", "fields of the backend's connection do not reach the client")
def hop_by_hop_of_answer(lab):
    fields = [("Connection", "keep-alive, X-Hop"), ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"),
              ("X-Hop", "1"), ("X-Kept", "1")]
    came = ask(lab, replies(headers=fields))
    equal([name for name, _ in came.head if name in HOP_BY_HOP], [], "the fields of the connection")
    equal(came.value(b"x-kept"), b"1", "another field")


@case("RFC9113-8.1", "a counted answer has its content-length")
def counted_answer(lab):
    came = ask(lab, replies(body=b"counted"))
    equal((came.value(b"content-length"), bytes(came.body)), (b"7", b"counted"), "the length and the content")


@case("RFC9113-8.1", "an empty answer has no content")
def empty_answer(lab):
    came = ask(lab, replies(body=b""))
    equal((came.value(b"content-length"), bytes(came.body)), (b"0", b""), "the length and the content")


@case("RFC9113-8.2.2", "a chunked answer is one without chunks")
def chunked_answer(lab):
    came = ask(lab, sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two" * 100, b"three")))
    equal(bytes(came.body), b"one" + b"two" * 100 + b"three", "the content")
    equal((came.value(b"content-length"), came.value(b"transfer-encoding")), (None, None), "the framing")


@case("RFC9113-8.2.2", "a chunked answer that is empty ends the stream")
def chunked_empty_answer(lab):
    equal(bytes(ask(lab, sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).body), b"", "the content")


@case("RFC9113-8.1", "trailers of the backend do not become content")
def trailers_of_answer(lab):
    came = ask(lab, sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n"))
    equal((bytes(came.body), came.trailers), (b"one", [(b"x-sum", b"1")]), "the content and the trailers")


@case("RFC9113-8.1", "trailers of the backend are those of RFC 9110 section 6.5.1")
def forbidden_trailers_of_answer(lab):
    trailers = (b"Content-Length: 9\r\nSet-Cookie: a=b\r\nConnection: close\r\nX-Sum: 1\r\nTE: trailers\r\nContent-Location: /a\r\n"
                b"X-Hop: 1\r\nX-Other:\r\n")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\n\r\n"
    came = ask(lab, sends(head + b"3\r\none\r\n0\r\n" + trailers + b"\r\n"))
    equal((bytes(came.body), came.trailers), (b"one", [(b"x-sum", b"1"), (b"x-other", b"")]), "the content and the trailers")


@case("RFC9113-8.1", "an answer that the backend's close ends is whole")
def answer_until_close(lab):
    equal(bytes(ask(lab, sends(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")).body), b"until the end", "the content")


@case("RFC9113-8.1", "an answer that comes in pieces is passed on as it comes")
def streamed_answer(lab):
    gate = lab.gate()

    def do(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        gate.wait(5)
        visit.send(chunked(b"second"))

    lab.backend.on("/streamed", do)
    client = lab.connect()
    stream = client.begin(request("/streamed"))
    client.until(lambda: client.streams[stream].body == b"first", "the first piece, while there is no second")
    check(not client.streams[stream].ended, "expected that the stream goes on")
    gate.set()
    equal(bytes(client.answer(stream).body), b"firstsecond", "the content")


@case("RFC9113-8.1", "the head of an answer does not wait for its content")
def early_head(lab):
    gate = lab.gate()
    lab.backend.on("/head-first", lambda visit: (visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), gate.wait(5), visit.send(b"late")))
    client = lab.connect()
    stream = client.begin(request("/head-first"))
    client.until(lambda: client.streams[stream].head, "the head, while there is no content")
    gate.set()
    equal(bytes(client.answer(stream).body), b"late", "the content")


@case("RFC9113-8.1", "HEAD has the length that GET would have, and no content")
def head(lab):
    came = ask(lab, lambda visit: visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"), method="HEAD")
    equal((came.value(b"content-length"), came.data_sizes), (b"1234", []), "the length and the DATA")


@case("RFC9113-8.1", "204 and 304 end with their HEADERS")
def no_content(lab):
    for status in (204, 304):
        came = ask(lab, lambda visit, s=status: visit.send(b"HTTP/1.1 %d Said\r\nETag: \"1\"\r\n\r\n" % s), path=f"/{status}", status=status)
        equal((came.data_sizes, came.value(b"etag")), ([], b'"1"'), "the DATA and a field")


@case("RFC9113-8.1", "a refusal of HEAD has no content")
def refused_head(lab):
    client = lab.connect()
    came = client.get("/gets", method="HEAD", status=405)
    equal(came.data_sizes, [], "the DATA")
    equal(came.value(b"allow"), b"GET", "Allow")


@case("RFC9113-8.1", "informational answers of the backend come before the answer or not at all")
def informational_answers(lab):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    came = ask(lab, sends(early + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    equal(bytes(came.body), b"ok", "the content")
    for fields in came.informational:
        check(fields[0] in ((b":status", b"103"), (b":status", b"100")), f"expected 103 or 100, came {fields}")


@case("RFC9113-8.6", "a backend that switches protocols unasked gives 502")
def switching_protocols(lab):
    # there is no 101 in HTTP/2
    ask(lab, sends(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), status=502)


@case("RFC9113-8.1", "an answer that is no HTTP gives 502")
def nonsense_answer(lab):
    for number, octets in enumerate((b"SMTP ready\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                                     b"Content-Length: 2\r\n\r\nxx", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n", b"")):
        ask(lab, sends(octets), path=f"/nonsense/{number}", status=502)


@case("RFC9113-8.1.1", "a counted answer that breaks off is reset, and not ended")
def broken_answer(lab):
    lab.backend.on("/broken", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"))
    client = lab.connect()
    stream = client.begin(request("/broken"))
    client.expect_reset(stream, wire.INTERNAL_ERROR)
    check(not client.streams[stream].ended, f"expected no END_STREAM; came: {client.told()}")
    client.expect_alive()


@case("RFC9113-8.1.1", "a chunked answer that breaks off, also in its trailers, is reset, and not ended")
def broken_chunks(lab):
    trailers = (b"X-Other", b"X-Other\r\n\r\n", b" X: 1\r\n\r\n")
    for number, rest in enumerate((b"", b"5\r\ntw", b"zz\r\n", *(b"0\r\nX-Sum: 1\r\n" + last for last in trailers))):
        path = f"/broken/{number}"
        lab.backend.on(path, sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n" + rest))
        client = lab.connect()
        stream = client.begin(request(path))
        client.expect_reset(stream, wire.INTERNAL_ERROR)
        check(not client.streams[stream].ended, f"expected no END_STREAM; came: {client.told()}")
        check(client.streams[stream].trailers is None, f"expected no trailers, came {client.streams[stream].trailers}")
        client.expect_alive()


@case("RFC9113-8.1", "an answer before the content is whole ends the upload")
def early_answer_of_backend(lab):
    def do(visit):
        visit.answer(403, body=b"enough")
        visit.keep = False

    lab.backend.on("/early", do)
    client = lab.connect()
    stream = client.begin(request("/early", method="POST"), end=False)
    client.send_data(stream, b"the first part")
    equal(bytes(client.answer(stream, 403).body), b"enough", "the content")
    client.expect_reset(stream, wire.NO_ERROR)
    client.expect_alive()


@case("RFC9113-8.1", "an answer of 1 MiB over many frames arrives as it was sent")
def large_answer(lab):
    came = ask(lab, replies(body=PATTERN), give_back=True)
    check(bytes(came.body) == PATTERN, f"expected the same content, came another of {len(came.body)} octets")
    check(len(came.data_sizes) > 60, f"expected many frames, came {len(came.data_sizes)}")


@case("RFC9113-8.1", "an answer of 1 MiB in one window arrives as it was sent")
def large_answer_in_large_window(lab):
    lab.backend.on("/answer", replies(body=PATTERN))
    client = lab.connect(settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 24)])
    client.send(wire.window_update(0, 1 << 24))
    came = client.get("/answer")
    check(bytes(came.body) == PATTERN, f"expected the same content, came another of {len(came.body)} octets")


@case("RFC9113-8.2.1", "a large head of an answer comes in CONTINUATION frames")
def large_head(lab):
    fields = [(f"X-Large-{i}", f"{i}" + "~" * 1500) for i in range(20)]  # 13 bits a character by Huffman's code
    lab.backend.on("/answer", replies(headers=fields))
    client = lab.connect()
    came = client.get("/answer")
    equal(came.value(b"x-large-19"), b"19" + b"~" * 1500, "the last field")
    check(client.count(wire.CONTINUATION) > 0, f"expected CONTINUATION; came: {client.told()}")
    client.expect_alive()

"""What a client gets of an answer that comes over HTTP/2 (RFC 9113 section 8)."""
from support import wire
from support.client import request
from support.peer import replies
from support.registry import case, check, equal

PATTERN = b"".join(b"%07d\n" % i for i in range(400000))  # 3.2 MB that show where they were cut


def direct_case(section, name):
    return case(section, name, direct=True)


def ask(lab, do, status=200, method="GET", **options):
    peer = lab.peer()
    peer.on("/asked", do)
    came = lab.between(peer, **options).get("/asked", status=status, method=method)
    peer.expect_order()
    return came


@direct_case("RFC9113-8.3.2", "a status, fields and content pass as they are")
def plain(lab):
    came = ask(lab, replies(418, [("x-kept", "Kept"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-empty", "")], b"short"), status=418)
    equal([came.values(name) for name in (b"x-kept", b"set-cookie", b"x-empty")], [[b"Kept"], [b"a=1", b"b=2"], [b""]], "the fields")
    equal(bytes(came.body), b"short", "the content")


@direct_case("RFC9113-8.1", "an answer that ends with its HEADERS is empty")
def ends_with_head(lab):
    equal(bytes(ask(lab, replies(body=b"")).body), b"", "the content")


@direct_case("RFC9113-8.1", "an answer that ends with an empty DATA is empty")
def ends_with_empty_data(lab):
    equal(bytes(ask(lab, lambda call: (call.head(), call.data(end=True))).body), b"", "the content")


@direct_case("RFC9113-8.1", "content in a thousand DATA frames, empty ones between, is whole")
def many_frames(lab):
    def do(call):
        call.head()
        for number in range(1000):
            call.send_content(b"%d," % number, end=False)
            if number % 100 == 0:
                call.data()
        call.data(end=True)

    equal(bytes(ask(lab, do).body), b"".join(b"%d," % number for number in range(1000)), "the content")


@direct_case("RFC9113-8.1", "content of 3 MB is whole")
def large(lab):
    came = ask(lab, replies(body=PATTERN), give_back=True)
    check(bytes(came.body) == PATTERN, f"expected the content as it is, came {len(came.body)} octets that are another")


@direct_case("RFC9113-8.1.1", "the content-length of an answer stays")
def counted(lab):
    came = ask(lab, replies(headers=[("content-length", "5")]))
    equal((came.values(b"content-length"), bytes(came.body)), ([b"5"], b"hello"), "the length and the content")


@direct_case("RFC9110-9.3.2", "HEAD is answered with the length of what is not sent")
def head(lab):
    came = ask(lab, lambda call: call.head(200, ("content-length", "1234"), end=True), method="HEAD")
    equal((came.values(b"content-length"), bytes(came.body)), ([b"1234"], b""), "the length and the content")


@direct_case("RFC9110-15.3.5", "204 has no content")
def no_content(lab):
    equal(bytes(ask(lab, replies(204, body=b""), status=204).body), b"", "the content")


@direct_case("RFC9110-15.4.5", "304 may tell a length, and has no content")
def not_modified(lab):
    came = ask(lab, lambda call: call.head(304, ("content-length", "1234"), ("etag", "\"e\""), end=True), status=304)
    equal((bytes(came.body), came.value(b"etag")), (b"", b"\"e\""), "the content and the tag")


@direct_case("RFC8297-2", "103 comes before the answer")
def early_hints(lab):
    gate = lab.gate()
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.head(103, ("link", "</a.css>; rel=preload")), gate.wait(20), call.answer()))
    client = lab.between(peer)
    stream = client.begin(request("/asked"))
    came = client.streams[stream]
    client.until(lambda: came.informational, "103, while there is no answer yet")
    equal([dict(fields).get(b"link") for fields in came.informational], [b"</a.css>; rel=preload"], "its link")
    gate.set()
    equal(bytes(client.answer(stream).body), b"hello", "the content")


@direct_case("RFC9110-15.2", "two interim answers, and then the answer")
def two_interim(lab):
    came = ask(lab, lambda call: (call.head(103, ("x-number", "1")), call.head(103, ("x-number", "2")), call.answer()))
    equal([dict(fields).get(b"x-number") for fields in came.informational], [b"1", b"2"], "the interim answers")


@case("RFC9110-15.2.1", "100 that nobody asked for does not reach the client")
def unasked_continue(lab):
    came = ask(lab, lambda call: (call.head(100), call.answer()))
    equal(came.informational, [], "the interim answers")


@direct_case("RFC9113-8.1", "trailers reach a client of HTTP/2")
def trailers(lab):
    came = ask(lab, replies(trailers=[("x-sum", "42"), ("x-other", "43")]))
    equal((bytes(came.body), sorted(came.trailers or [])), (b"hello", [(b"x-other", b"43"), (b"x-sum", b"42")]), "the content and the trailers")


@direct_case("RFC9113-8.1", "trailers behind no content reach a client of HTTP/2")
def trailers_only(lab):
    came = ask(lab, replies(body=b"", trailers=[("x-sum", "42")]))
    equal((bytes(came.body), came.trailers), (b"", [(b"x-sum", b"42")]), "the content and the trailers")


@case("RFC9113-6.1", "padding is taken off")
def padding(lab):
    def do(call):
        call.head()
        call.link.send(wire.frame(wire.DATA, wire.PADDED, call.stream, wire.padded(b"hel", 200)))
        call.link.send(wire.frame(wire.DATA, wire.PADDED, call.stream, wire.padded(b"lo", 0)))
        call.link.windows[0] -= 207
        call.data(end=True)

    equal(bytes(ask(lab, do).body), b"hello", "the content")


@direct_case("RFC9113-5.5", "frames and settings that nobody knows are passed over")
def unknown(lab):
    def do(call):
        call.link.send(wire.frame(0x77, 0xff, call.stream, b"whatever") + wire.frame(0x78, 0, 0, b"") + wire.settings((0x7777, 1)))
        call.link.send(wire.priority(call.stream, depends_on=0))
        call.answer()

    equal(bytes(ask(lab, do).body), b"hello", "the content")


@direct_case("RFC9113-5", "answers that come interleaved are kept apart")
def interleaved(lab):
    gates = [lab.gate() for _ in range(4)]
    peer = lab.peer()

    def do(number):
        def run(call):
            call.head()
            for _ in range(50):
                call.send_content(b"%d" % number * 100, end=False)
            gates[number].set()
            for gate in gates:
                gate.wait(20)
            call.send_content(b"end")

        return run

    for number in range(4):
        peer.on(f"/{number}", do(number))
    client = lab.between(peer)
    for stream in [client.begin(request(f"/{number}")) for number in range(4)]:
        number = stream // 2
        equal(bytes(client.answer(stream).body), b"%d" % number * 5000 + b"end", "the content")


def early(lab, then):
    """An answer while the content is still on its way."""
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.expect_content(5), call.answer(413, body=b"too much"), then(call)))
    client = lab.between(peer)
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, b"begin")
    came = client.streams[stream]
    client.until(lambda: len(came.body) == 8, "the answer, before the content is whole")
    equal((came.status, bytes(came.body)), (413, b"too much"), "the answer")
    return peer, client, stream


@direct_case("RFC9113-8.1", "an answer that comes early passes while the content is on its way")
def early_answer(lab):
    peer, client, stream = early(lab, lambda call: None)
    client.send_data(stream, b"the end", end=True)
    came = client.streams[stream]
    client.until(lambda: came.over, "the end of the answer")
    check(came.ended or came.reset == wire.NO_ERROR, f"expected the whole answer; came: {client.told()}")
    client.get("/next")


@direct_case("RFC9113-8.1", "an answer that comes early, and RST_STREAM(NO_ERROR) behind it, is whole")
def early_answer_and_reset(lab):
    peer, client, stream = early(lab, lambda call: call.reset(wire.NO_ERROR))
    came = client.streams[stream]
    client.until(lambda: came.ended, "the end of the answer")
    client.get("/next")


@direct_case("RFC9113-8.1", "an answer may begin before the request ends, and go on with it")
def both_directions(lab):
    def echo(call):
        call.head()
        for number in range(20):
            call.expect_content(1000 * (number + 1))
            call.send_content(bytes(call.content[1000 * number:1000 * (number + 1)]), end=number == 19)

    peer = lab.peer()
    peer.on("/asked", echo)
    client = lab.between(peer)
    stream = client.begin(request("/asked", method="POST"), end=False)
    came = client.streams[stream]
    for number in range(20):
        client.send_data(stream, b"%d" % (number % 10) * 1000, end=number == 19)
        client.until(lambda: len(came.body) >= 1000 * (number + 1), f"piece {number} of the answer, before the next is sent")
    client.answer(stream)

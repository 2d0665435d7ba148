"""What the backend gets of a request, byte for byte (RFC 9113 section 8)."""
import re

from support import wire
from support.client import request
from support.registry import case, check, equal

OURS = re.compile(rb"X-Request-Id: [0-9a-f]{32}\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\r\n")


def expect_head(lab, path, *lines, framing=b"", authority=b"api.test"):
    """lines: the request line, then the fields as they are left; Host and what the gateway says are put where they belong."""
    visit = lab.backend.visit(path)
    came, marks = OURS.subn(b"<ours>", visit.head)
    equal(marks, 1, f"the ids that the gateway sets in {visit.head}")
    host = b"Host: 127.0.0.1:%d" % lab.backend.port
    about = [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: https", b"X-Forwarded-Host: " + authority]
    equal(came, b"\r\n".join([lines[0], host, *lines[1:], *about, b"<ours>" + framing + b"\r\n"]), "the head at the backend")
    return visit


def forwards(section, name, fields, *lines, framing=b"", authority=b"api.test"):
    """A request without content, and the head at the backend."""

    @case(section, name)
    def run(lab):
        client = lab.connect()
        client.answer(client.begin(fields))
        expect_head(lab, lines[0].split(b" ")[1].decode("ascii"), *lines, framing=framing, authority=authority)


forwards("RFC9113-8.3.1", "a request is the request line and Host, without pseudo header fields", request("/plain"), b"GET /plain HTTP/1.1")
forwards("RFC9113-8.3.1", "a query stays as it is", request("/q?a=%20&b=/?:@&&"), b"GET /q?a=%20&b=/?:@&& HTTP/1.1")
forwards("RFC9113-8.3.1", "a path is decoded and encoded once", request("/%41b/%e4%7E,x=1/%2c%3b"), b"GET /Ab/%E4~,x=1/%2C%3B HTTP/1.1")
forwards("RFC9113-8.3.1", "a method is any token, as it is written", request("/brew", method="Brew-It"), b"Brew-It /brew HTTP/1.1")
forwards("RFC9113-8.3.1", "Host stands in for :authority that is not there",
         request("/host", ("host", "Other.Test:8443"), authority=None), b"GET /host HTTP/1.1", authority=b"Other.Test:8443")
forwards("RFC9113-8.3.1", "Host that is the same as :authority is understood",
         request("/host", ("host", "API.test")), b"GET /host HTTP/1.1")
forwards("RFC9113-8.3.1", ":authority may have a port, or be an address", request("/v6", authority="[::1]:8443"),
         b"GET /v6 HTTP/1.1", authority=b"[::1]:8443")
forwards("RFC9113-8.3", "pseudo header fields may come in any order",
         [(":path", "/order"), (":authority", "api.test"), (":scheme", "https"), (":method", "GET"), ("x-last", "1")],
         b"GET /order HTTP/1.1", b"x-last: 1")
forwards("RFC9113-8.3.1", "a :scheme that is not true changes nothing of what the backend is told",
         request("/scheme", scheme="http"), b"GET /scheme HTTP/1.1")
forwards("RFC9113-8.2.1", "fields keep their order, their repetitions and what is in their values",
         request("/fields", ("x-b", "2"), ("x-a", "1, \"q\";\t\xe9"), ("x-b", "3"), ("x-empty", "")),
         b"GET /fields HTTP/1.1", b"x-b: 2", b"x-a: 1, \"q\";\t\xc3\xa9", b"x-b: 3", b"x-empty: ")
forwards("RFC9113-8.2.1", "every character of a token is good in a name", request("/names", ("x!#$%&'*+-.^_`|~09az", "1")),
         b"GET /names HTTP/1.1", b"x!#$%&'*+-.^_`|~09az: 1")
forwards("RFC9113-8.2.3", "cookies that were split are one again",
         request("/cookies", ("cookie", "a=b"), ("x-between", "1"), ("cookie", "c=d"), ("cookie", "e=f; g=h")),
         b"GET /cookies HTTP/1.1", b"x-between: 1", b"Cookie: a=b; c=d; e=f; g=h")
forwards("RFC9113-8.2.3", "one cookie stays as it is", request("/cookie", ("cookie", "a=b; c=d")), b"GET /cookie HTTP/1.1", b"Cookie: a=b; c=d")
forwards("RFC9113-8.2.2", "te: trailers is for this hop and goes", request("/te", ("te", "trailers"), ("x-kept", "1")),
         b"GET /te HTTP/1.1", b"x-kept: 1")
forwards("RFC9113-8.2.2", "what a client says in the gateway's name goes",
         request("/ours", ("x-forwarded-for", "6.6.6.6"), ("x-client-id", "root"), ("x_client_roles", "root"), ("x-request-id", "1"),
                 ("forwarded", "for=6.6.6.6"), ("x-kept", "1")),
         b"GET /ours HTTP/1.1", b"x-kept: 1")
forwards("RFC9113-8.1", "a POST that ends with its HEADERS has no framing", request("/none", method="POST"), b"POST /none HTTP/1.1")
forwards("RFC9113-8.1", "content-length 0 stays", request("/zero", ("content-length", "0"), method="POST"),
         b"POST /zero HTTP/1.1", framing=b"Content-Length: 0\r\n")


@case("RFC9113-8.3.1", "OPTIONS may ask for *, which is the gateway itself")
def asks_the_gateway(lab):
    client = lab.connect()
    client.answer(client.begin(request("*", method="OPTIONS")), 204)


def uploads(section, name, more, pieces, framing, raw=None):
    """A POST with content in these pieces, and head and content at the backend. raw: as they come on the wire."""

    @case(section, name)
    def run(lab):
        client = lab.connect()
        stream = client.begin(request("/content", *more, method="POST"), end=False)
        for piece in pieces[:-1]:
            client.send_data(stream, piece)
        client.send_data(stream, pieces[-1], end=True)
        client.answer(stream)
        visit = expect_head(lab, "/content", b"POST /content HTTP/1.1", framing=framing)
        equal(bytes(visit.content), b"".join(pieces), "the content at the backend")
        if raw is not None:
            equal(bytes(visit.raw_content), raw, "the content as it came")


CHUNKED = b"Transfer-Encoding: chunked\r\n"
uploads("RFC9113-8.1.1", "a content-length that is right stays", [("content-length", "9")], [b"one", b"two", b"six"], b"Content-Length: 9\r\n",
        b"onetwosix")
uploads("RFC9113-8.1.1", "the last DATA may be empty", [("content-length", "3")], [b"one", b""], b"Content-Length: 3\r\n", b"one")
uploads("RFC9113-8.2.2", "content without a length is chunked", [], [b"one", b"two", b""], CHUNKED)
uploads("RFC9113-8.2.2", "content without a length, of one frame, is one chunk", [], [b"all of it"], CHUNKED, b"9\r\nall of it\r\n0\r\n\r\n")
uploads("RFC9113-8.2.2", "content without a length that is empty is chunked", [], [b""], CHUNKED, b"0\r\n\r\n")


def in_one_write(client, fields, *pieces):
    """The head and all the content, so that the gateway gets them at once."""
    octets = wire.frame(wire.HEADERS, wire.END_HEADERS, client.new_stream(), client.encoder.encode(fields))
    for piece in pieces[:-1]:
        octets += wire.frame(wire.DATA, 0, client.next_stream - 2, piece)
    client.send(octets + wire.frame(wire.DATA, wire.END_STREAM, client.next_stream - 2, pieces[-1]))
    return client.next_stream - 2


@case("RFC9113-8.1", "content that comes together with its head has a framing")
def content_at_once(lab):
    client = lab.connect()
    client.settle()
    client.answer(in_one_write(client, request("/once", method="POST"), b"one", b"two"))
    visit = lab.backend.visit("/once")
    equal(visit.value(b"Transfer-Encoding"), b"chunked", "Transfer-Encoding at the backend")
    equal(bytes(visit.content), b"onetwo", "the content at the backend")


@case("RFC9113-8.1.1", "content that comes together with its head and length is taken")
def counted_content_at_once(lab):
    client = lab.connect()
    client.settle()
    client.answer(in_one_write(client, request("/once", ("content-length", "6"), method="POST"), b"one", b"two"))
    visit = lab.backend.visit("/once")
    equal((visit.value(b"Content-Length"), bytes(visit.content)), (b"6", b"onetwo"), "the length and the content at the backend")


@case("RFC9113-8.1", "what follows a content that came at once is a request of its own at the backend")
def nothing_smuggled(lab):
    client = lab.connect()
    client.settle()
    hidden = b"GET /hidden HTTP/1.1\r\nHost: api.test\r\n\r\n"
    for _ in range(3):
        client.answer(in_one_write(client, request("/carrier", method="POST"), hidden))
        client.get("/next")
    check("/hidden" not in lab.backend.paths(), f"expected no request that a content holds, came {lab.backend.paths()}")
    equal(lab.backend.paths(), ["/carrier", "/next"] * 3, "the requests at the backend")


@case("RFC9113-8.1", "a content of 3 MB arrives as it was sent")
def large_upload(lab):
    content = b"".join(b"%07d\n" % i for i in range(400000))
    client = lab.connect()
    stream = client.begin(request("/large", ("content-length", str(len(content))), method="POST"), end=False)
    client.upload(stream, content)
    client.answer(stream)
    check(bytes(lab.backend.visit("/large").content) == content, "expected the same content at the backend, came another")


# --- Expect (RFC 9110 section 10.1.1)

@case("RFC9113-8.1", "Expect: 100-continue is answered with 100, and goes")
def expect_continue(lab):
    client = lab.connect()
    stream = client.begin(request("/expect", ("expect", "100-continue"), ("content-length", "3"), method="POST"), end=False)
    came = client.streams[stream]
    client.until(lambda: came.informational, "an informational answer")
    equal(came.informational, [[(b":status", b"100")]], "the informational answer")
    client.send_data(stream, b"yes", end=True)
    client.answer(stream)
    visit = expect_head(lab, "/expect", b"POST /expect HTTP/1.1", framing=b"Content-Length: 3\r\n")
    equal(bytes(visit.content), b"yes", "the content at the backend")
    equal(len(came.informational), 1, "the informational answers")


@case("RFC9113-8.1", "Expect: 100-continue without content is not answered with 100")
def expect_continue_without_content(lab):
    client = lab.connect()
    equal(client.get("/expect", ("expect", "100-continue")).informational, [], "the informational answers")


@case("RFC9113-8.1", "a refusal stands instead of 100, and the content is not waited for")
def expect_continue_refused(lab):
    client = lab.connect()
    stream = client.begin(request("/small", ("expect", "100-continue"), ("content-length", "11"), method="POST"), end=False)
    equal(client.answer(stream, 413).informational, [], "the informational answers")
    client.expect_reset(stream, wire.NO_ERROR)
    client.expect_alive()


@case("RFC9113-8.1", "another expectation is answered with 417")
def unknown_expectation(lab):
    client = lab.connect()
    client.get("/expect", ("expect", "a miracle"), status=417)
    lab.expect_untouched(client)

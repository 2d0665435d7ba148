"""What the gateway itself answers: to gRPC as gRPC would, to others with a problem document."""
import json
import re

import grpc

from support import wire
from support.client import request
from support.method import expect_status, values
from support.registry import case, check, equal

Code = grpc.StatusCode
NUMBERS = {code.name: code.value[0] for code in Code}
MESSAGE = re.compile(rb"([ -$&-~]|%[0-9A-Fa-f]{2})*")  # of the specification: what is not printable, and %, is percent-encoded


def echo(request_, _):
    return request_


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def ask(lab, path, *more, message=b"", content_type="application/grpc", client=None):
    """The whole answer to a call made of frames, whatever its status."""
    client = client or lab.client()
    fields = request(path, ("content-type", content_type), ("te", "trailers"), *more, method="POST")
    stream = client.begin(fields, end=False)
    client.send_data(stream, framed(message), end=True)
    came = client.streams[stream]
    client.until(lambda: came.over, f"an answer on stream {stream}")
    check(came.ended, f"expected an answer on stream {stream}; came: {client.told()}")
    return came


def expect_trailers_only(came, *codes):
    """Of the specification: one HEADERS frame with END_STREAM, 200, the content type, the code."""
    equal(came.status, 200, "the status of HTTP")
    equal(bytes(came.body), b"", "the content")
    equal(came.trailers, None, "HEADERS behind the first")
    equal(came.value(b"content-type"), b"application/grpc", "the content type")
    number = came.value(b"grpc-status")
    expected = [str(NUMBERS[code.name]).encode() for code in codes]
    check(number in expected, f"grpc-status: expected one of {expected}, came {number}")
    equal(len(came.values(b"grpc-status")), 1, "how many grpc-status")
    text = came.value(b"grpc-message")
    check(text is not None and MESSAGE.fullmatch(text), f"expected grpc-message in its encoding, came {text}")
    check(came.value(b"x-request-id") is not None, f"expected X-Request-Id, came {came.head}")
    check(came.value(b"content-length") in (None, b"0"), f"expected no content-length but 0, came {came.head}")


def expect_problem(came, status):
    equal(came.status, status, "the status of HTTP")
    equal(came.value(b"content-type"), b"application/problem+json", "the content type")
    equal(came.value(b"grpc-status"), None, "grpc-status")
    equal(json.loads(bytes(came.body))["status"], status, "the status of the document")


# Each: what is wrong, the service, metadata made of the lab's keys, the codes of gRPC, the status of HTTP.
REFUSALS = [
    ("no route", "Nowhere", lambda keys: [], [Code.UNIMPLEMENTED], 404),
    ("a method of HTTP that the route does not take", "Gets", lambda keys: [], [Code.UNIMPLEMENTED], 405),
    ("no key", "Keyed", lambda keys: [], [Code.UNAUTHENTICATED], 401),
    ("a bad key", "Keyed", lambda keys: [("x-api-key", "sp_bad_key_0")], [Code.UNAUTHENTICATED], 401),
    ("a role is missing", "Clerks", lambda keys: [("x-api-key", keys["guest"])], [Code.PERMISSION_DENIED], 403),
    ("a scope is missing", "Scoped", lambda keys: [("x-api-key", keys["clerk"])], [Code.PERMISSION_DENIED], 403),
    ("the backend cannot be reached", "Nobody", lambda keys: [], [Code.UNAVAILABLE], 503),
    ("a parameter is not valid", "Checked", lambda keys: [("x-number", "none")], [Code.INVALID_ARGUMENT, Code.INTERNAL], 400),
]


def refusal(what, service, metadata, codes, status):
    names = " or ".join(code.name for code in codes)

    @case("refusal", f"{what}: {names}")
    def called(lab):
        method = lab.method("unary_unary", echo, service=service)
        expect_status(lambda: method(metadata=metadata(lab.keys)), *codes)
        method.expect_unseen()

    @case("refusal", f"{what}: it is a trailers-only answer")
    def form(lab):
        expect_trailers_only(ask(lab, f"/test.{service}/Form", *metadata(lab.keys)), *codes)

    @case("refusal", f"{what}: who does not speak gRPC gets a problem document, {status}")
    def plain(lab):
        expect_problem(ask(lab, f"/test.{service}/Form", *metadata(lab.keys), content_type="application/json"), status)


for one in REFUSALS:
    refusal(*one)


@case("refusal", "a good key with its role passes")
def passes(lab):
    method = lab.method("unary_unary", echo, service="Clerks")
    equal(method(b"in", metadata=[("x-api-key", lab.keys["clerk"])]), b"in", "the answer")


@case("refusal", "over a limit: RESOURCE_EXHAUSTED, and others get 429")
def over_limit(lab):
    method = lab.method("unary_unary", echo, service="Few")
    came = 0
    while came < 2 and method(b"x") == b"x":
        came += 1
    error = expect_status(method, Code.RESOURCE_EXHAUSTED)
    metadata = list(error.trailing_metadata() or []) + list(error.initial_metadata() or [])
    check(values(metadata, "retry-after"), f"expected retry-after, came {metadata}")
    expect_trailers_only(ask(lab, "/test.Few/Form"), Code.RESOURCE_EXHAUSTED)
    expect_problem(ask(lab, "/test.Few/Form", content_type="application/json"), 429)
    equal(len(method.visits()), 2, "the calls at the server")


@case("refusal", "a message over the route's size, which is said beforehand: RESOURCE_EXHAUSTED or OUT_OF_RANGE")
def too_large(lab):
    message = bytes(2000)
    came = ask(lab, "/test.Small/Form", ("content-length", str(len(message) + 5)), message=message)
    expect_trailers_only(came, Code.RESOURCE_EXHAUSTED, Code.OUT_OF_RANGE)


@case("refusal", "a message over the route's size: RESOURCE_EXHAUSTED or OUT_OF_RANGE")
def too_large_by_surprise(lab):
    method = lab.method("unary_unary", echo, service="Small")
    equal(method(bytes(1000)), bytes(1000), "the answer to a message that is not")
    expect_status(lambda: method(bytes(100000)), Code.RESOURCE_EXHAUSTED, Code.OUT_OF_RANGE)
    equal(method(bytes(10)), bytes(10), "the answer to the next message")


@case("refusal", "a path that is malformed: INVALID_ARGUMENT or INTERNAL")
def malformed(lab):
    expect_trailers_only(ask(lab, "/test.Open/%zz"), Code.INVALID_ARGUMENT, Code.INTERNAL)


@case("refusal", "a path that is malformed: who does not speak gRPC gets a problem document, 400")
def malformed_plain(lab):
    expect_problem(ask(lab, "/test.Open/%zz", content_type="application/json"), 400)


def subtype(content_type):
    @case("refusal", f"{content_type} is gRPC, too")
    def run(lab):
        came = ask(lab, "/test.Keyed/Form", content_type=content_type)
        equal((came.status, came.value(b"grpc-status")), (200, b"16"), "the status of HTTP and of gRPC")
        check(came.value(b"content-type").startswith(b"application/grpc"), f"expected application/grpc, came {came.head}")


subtype("application/grpc+proto")
subtype("application/grpc; charset=utf-8")


@case("refusal", "over HTTP/1.1, a request that says it is gRPC gets a problem document")
def over_http1(lab):
    client = lab.old_client()
    client.sendall(b"POST /test.Keyed/Form HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n"
                   b"Connection: close\r\n\r\n\0\0\0\0\0")
    came = b"".join(iter(lambda: client.recv(65536), b""))
    check(came.startswith(b"HTTP/1.1 401 ") and b"application/problem+json" in came, f"expected 401 and a problem document, came {came[:200]}")


@case("refusal", "refusals leave the connection as it was")
def connection_lives(lab):
    channel = lab.channel()
    good = lab.method("unary_unary", echo, channel=channel)
    bad = lab.method("unary_unary", echo, service="Keyed", channel=channel)
    for number in range(20):
        expect_status(bad, Code.UNAUTHENTICATED)
        equal(good(b"%d" % number), b"%d" % number, "the answer")


@case("refusal", "a stream of the client is refused before it has sent anything")
def stream_refused(lab):
    gate = lab.gate()
    method = lab.method("stream_unary", lambda requests, _: b"".join(requests), service="Keyed")

    def messages():
        gate.wait(20)
        yield b"never"

    expect_status(lambda: method(messages()), Code.UNAUTHENTICATED)
    method.expect_unseen()


@case("refusal", "a call that is refused while its content is on its way is answered, not reset before that")
def answered_before_reset(lab):
    client = lab.client()
    fields = request("/test.Keyed/Form", ("content-type", "application/grpc"), ("te", "trailers"), method="POST")
    stream = client.begin(fields, end=False)
    came = client.streams[stream]
    client.until(lambda: came.head is not None, "an answer before the content")
    expect_trailers_only(came, Code.UNAUTHENTICATED)
    check(came.reset in (None, wire.NO_ERROR), f"expected no error behind it, came {client.told()}")

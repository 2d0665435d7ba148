"""One message there, one back."""
import grpc

from support.method import expect_status, values
from support.registry import case, check, equal

MIB = 1 << 20


def pattern(size):
    """Octets that show where they were cut."""
    return b"".join(b"%07d\n" % i for i in range(size // 8 + 1))[:size]


def echo(request, _):
    return request


def direct_case(name):
    return case("unary", name, direct=True)


@direct_case("a message goes there and back")
def message(lab):
    method = lab.method("unary_unary", lambda request, _: b"you said " + request)
    equal(method(b"hello"), b"you said hello", "the answer")


@direct_case("an empty message is a message")
def empty_message(lab):
    method = lab.method("unary_unary", echo)
    equal(method(b""), b"", "the answer")
    equal(len(method.visits()), 1, "the calls at the server")


@direct_case("every octet may be in a message")
def all_octets(lab):
    octets = bytes(range(256)) * 3
    equal(lab.method("unary_unary", echo)(octets), octets, "the answer")


def large(name, size):
    @direct_case(name)
    def run(lab):
        octets = pattern(size)
        came = lab.method("unary_unary", echo)(octets)
        equal(len(came), size, "the size of the answer")
        check(came == octets, "expected the message as it was sent, came another")


large("a message of 65535 octets, a window, comes back", 65535)
large("a message of 65536 octets comes back", 65536)
large("a message of 1 MiB comes back", MIB)
large("a message of 3 MiB comes back", 3 * MIB)


@direct_case("ten calls of 1 MiB at the same time come back, none mixed up")
def large_at_once(lab):
    method = lab.method("unary_unary", echo)
    messages = [b"%d" % number * MIB for number in range(10)]
    calls = [method.start(message) for message in messages]
    for message, call in zip(messages, calls):
        check(call.result() == message, "expected the message as it was sent, came another")


@direct_case("a message in gzip passes, both ways")
def compressed(lab):
    octets = b"compressible " * 10000

    def do(request, context):
        context.set_compression(grpc.Compression.Gzip)
        return request

    method = lab.method("unary_unary", do)
    answer, call = method.whole(octets, compression=grpc.Compression.Gzip)
    check(answer == octets, "expected the message as it was sent, came another")
    accepted = values(method.visit().metadata, "grpc-accept-encoding")
    check(not accepted or "gzip" in accepted[0], f"expected that gzip is accepted, came {accepted}")
    equal(call.code().name, "OK", "the status")


@case("unary", "over TLS to the backend, a call goes through")
def over_tls(lab):
    method = lab.method("unary_unary", echo, service="Secure")
    octets = pattern(MIB)
    check(method(octets) == octets, "expected the message as it was sent, came another")


@case("unary", "over TLS to the backend, a stream goes through")
def stream_over_tls(lab):
    method = lab.method("stream_stream", lambda requests, _: requests, service="Secure")
    equal(list(method(iter([b"1", b"2", b"3"]))), [b"1", b"2", b"3"], "the answers")


@case("unary", "a backend whose certificate is not trusted gets no call: UNAVAILABLE")
def distrusted(lab):
    method = lab.method("unary_unary", echo, service="Distrusted")
    expect_status(method, grpc.StatusCode.UNAVAILABLE)
    method.expect_unseen()


@direct_case("a call that the server ends before it has read the message ends so, and the next call is served")
def ended_early(lab):
    channel = lab.channel()
    method = lab.method("unary_unary", echo, channel=channel)
    other = lab.method("unary_unary", lambda request, context: context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much"), channel=channel)
    expect_status(lambda: other(pattern(100000)), grpc.StatusCode.RESOURCE_EXHAUSTED, details="too much")
    equal(method(b"next"), b"next", "the answer")

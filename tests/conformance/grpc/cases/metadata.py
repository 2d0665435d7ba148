"""What a call carries beside its messages, both ways."""
import grpc

from support.method import expect_status, values
from support.registry import case, equal

ALL_OCTETS = bytes(range(256))


def direct_case(name):
    return case("metadata", name, direct=True)


def silent(request, _):
    return request


@direct_case("the caller's metadata reach the server, in their order")
def custom(lab):
    method = lab.method("unary_unary", silent)
    method(metadata=[("x-one", "1"), ("x-more", "a"), ("x-more", "b"), ("x-text", "a b, c=\"d\"; e")])
    visit = method.visit()
    equal(visit.values("x-one"), ["1"], "x-one at the server")
    equal(visit.values("x-more"), ["a", "b"], "x-more at the server")
    equal(visit.values("x-text"), ["a b, c=\"d\"; e"], "x-text at the server")


def binary(name, octets):
    @direct_case(f"binary metadata reach the server: {name}")
    def to_server(lab):
        method = lab.method("unary_unary", silent)
        method(metadata=[("x-octets-bin", octets)])
        equal(method.visit().values("x-octets-bin"), [octets], "x-octets-bin at the server")

    @direct_case(f"binary metadata reach the caller: {name}")
    def to_caller(lab):
        def do(request, context):
            context.send_initial_metadata([("x-first-bin", octets)])
            context.set_trailing_metadata([("x-last-bin", octets)])
            return request

        _, call = lab.method("unary_unary", do).whole()
        equal(values(call.initial_metadata(), "x-first-bin"), [octets], "x-first-bin of the initial metadata")
        equal(values(call.trailing_metadata(), "x-last-bin"), [octets], "x-last-bin of the trailing metadata")


binary("every octet", ALL_OCTETS)
binary("one octet, which needs padding in base64", b"\xff")
binary("none", b"")


@direct_case("initial metadata come before the first message")
def initial(lab):
    gate = lab.gate()

    def do(_, context):
        context.send_initial_metadata([("x-early", "yes")])
        gate.wait(20)
        yield b"late"

    call = lab.method("unary_stream", do)()
    equal(values(call.initial_metadata(), "x-early"), ["yes"], "x-early, while the message is not sent yet")
    gate.set()
    equal(list(call), [b"late"], "the messages")


@direct_case("trailing metadata come behind the last message")
def trailing(lab):
    def do(_, context):
        yield b"1"
        yield b"2"
        context.set_trailing_metadata([("x-late", "a"), ("x-late", "b"), ("x-other", "c")])

    call = lab.method("unary_stream", do)()
    equal(list(call), [b"1", b"2"], "the messages")
    equal(values(call.trailing_metadata(), "x-late"), ["a", "b"], "x-late")
    equal(values(call.trailing_metadata(), "x-other"), ["c"], "x-other")


@direct_case("a status that is not OK has its trailing metadata")
def trailing_of_error(lab):
    def do(_, context):
        context.set_trailing_metadata([("x-why", "because"), ("x-why-bin", ALL_OCTETS)])
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    error = expect_status(lab.method("unary_unary", do), grpc.StatusCode.NOT_FOUND, details="no such thing")
    equal(values(error.trailing_metadata(), "x-why"), ["because"], "x-why")
    equal(values(error.trailing_metadata(), "x-why-bin"), [ALL_OCTETS], "x-why-bin")


@direct_case("the details of a rich status pass (grpc-status-details-bin)")
def rich_status(lab):
    details = ALL_OCTETS * 4

    def do(_, context):
        context.set_trailing_metadata([("grpc-status-details-bin", details)])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "rich")

    error = expect_status(lab.method("unary_unary", do), grpc.StatusCode.FAILED_PRECONDITION, details="rich")
    equal(values(error.trailing_metadata(), "grpc-status-details-bin"), [details], "grpc-status-details-bin")


@direct_case("metadata of 6000 octets reach the server")
def large_to_server(lab):
    method = lab.method("unary_unary", silent)
    method(metadata=[("x-large", "l" * 6000)])
    equal(method.visit().values("x-large"), ["l" * 6000], "x-large at the server")


@direct_case("fifty metadata reach the server")
def many_to_server(lab):
    method = lab.method("unary_unary", silent)
    method(metadata=[(f"x-number-{number}", str(number)) for number in range(50)])
    visit = method.visit()
    equal([visit.values(f"x-number-{number}") for number in range(50)], [[str(number)] for number in range(50)], "the metadata at the server")


@direct_case("metadata of 6000 octets reach the caller, before and behind")
def large_to_caller(lab):
    def do(request, context):
        context.send_initial_metadata([("x-first", "f" * 6000)])
        context.set_trailing_metadata([("x-last", "l" * 6000)])
        return request

    _, call = lab.method("unary_unary", do).whole()
    equal(values(call.initial_metadata(), "x-first"), ["f" * 6000], "x-first")
    equal(values(call.trailing_metadata(), "x-last"), ["l" * 6000], "x-last")


@case("metadata", "more metadata than the gateway takes are an error of that call alone")
def too_large(lab):
    channel = lab.channel()
    method = lab.method("unary_unary", silent, channel=channel)
    expect_status(lambda: method(metadata=[("x-large", "l" * 40000)]), grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL,
                  grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN)
    method.expect_unseen()
    equal(method(b"next"), b"next", "the answer to the next call")


@case("metadata", "the key that a caller proved itself with does not reach the server; who it is does")
def credentials(lab):
    method = lab.method("unary_unary", silent, service="Keyed")
    method(metadata=[("x-api-key", lab.keys["clerk"]), ("x-client-id", "somebody-else")])
    visit = method.visit()
    equal(visit.values("x-api-key"), [], "x-api-key at the server")
    equal(visit.values("x-client-id"), ["clerk"], "x-client-id at the server")
    equal(visit.values("x-client-roles"), ["clerk"], "x-client-roles at the server")


@case("metadata", "the server is told the request's id, which the caller gets, and for whom it is")
def ours(lab):
    method = lab.method("unary_unary", silent)
    _, call = method.whole(metadata=[("x-request-id", "mine"), ("x-forwarded-for", "6.6.6.6")])
    visit = method.visit()
    equal(visit.values("x-request-id"), values(call.initial_metadata(), "x-request-id"), "x-request-id at the server, and at the caller")
    equal(len(visit.values("x-request-id")), 1, "how many of it")
    equal(visit.values("x-forwarded-for"), ["127.0.0.1"], "x-forwarded-for at the server")
    equal(visit.values("x-forwarded-proto"), ["https"], "x-forwarded-proto at the server")

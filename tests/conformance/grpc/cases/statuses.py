"""How a call may end: a code, a message, and whether an answer came before."""
import grpc

from support.method import expect_status
from support.registry import case, equal


def direct_case(name):
    return case("status", name, direct=True)


def aborts(code, details):
    return lambda _, context: context.abort(code, details)


def every_code(code):
    @direct_case(f"{code.value[0]} {code.name} passes, with its message")
    def run(lab):
        details = f"it is {code.name}"
        if code is grpc.StatusCode.OK:
            def do(request, context):
                context.set_details(details)
                return request

            _, call = lab.method("unary_unary", do).whole()
            equal((call.code(), call.details()), (code, details), "the status")
            return
        expect_status(lab.method("unary_unary", aborts(code, details)), code, details=details)


for one in grpc.StatusCode:
    every_code(one)


def message(name, details, expected=None):
    @case("status", f"a message passes: {name}", direct=expected is None)
    def run(lab):
        method = lab.method("unary_unary", aborts(grpc.StatusCode.ABORTED, details))
        expect_status(method, grpc.StatusCode.ABORTED, details=details if expected is None else expected)


message("percent signs", "100% of %41 and %")
message("other alphabets", "schön, 日本語, 🙂")
message("lines and quotes", "one\ntwo\r\n\"three\"\t;, four")
message("none", "")
message("a long one", "so long " * 500 + "that it ends")
message("white space at its end does not pass an intermediary (RFC 9113 section 8.2.1)", "spaced  ", "spaced")


@direct_case("a status without an answer before it passes (trailers-only), for a stream as well")
def trailers_only(lab):
    def do(_, context):
        context.abort(grpc.StatusCode.OUT_OF_RANGE, "at once")
        yield b"never"

    call = lab.method("unary_stream", do)()
    expect_status(lambda: list(call), grpc.StatusCode.OUT_OF_RANGE, details="at once")


@direct_case("messages that come before a status that is not OK are had")
def after_messages(lab):
    def do(_, context):
        yield b"1"
        yield b"2"
        context.abort(grpc.StatusCode.DATA_LOSS, "no more")

    call = lab.method("unary_stream", do)()
    came = []
    expect_status(lambda: came.extend(iter(call)) or came, grpc.StatusCode.DATA_LOSS, details="no more")
    equal(came, [b"1", b"2"], "the messages before it")


@direct_case("a server that fails in a way of its own is UNKNOWN")
def raises(lab):
    def do(_, __):
        raise ValueError("on purpose, for the test")

    expect_status(lab.method("unary_unary", do), grpc.StatusCode.UNKNOWN)


@direct_case("a method that the server does not have is UNIMPLEMENTED")
def no_such_method(lab):
    method = lab.method("unary_unary", lambda request, _: request)
    stub = method.lab.channel().unary_unary("/test.Open/NoSuchMethod")
    expect_status(lambda: stub(b"", timeout=20), grpc.StatusCode.UNIMPLEMENTED)


@direct_case("calls that end well and calls that do not, by turns over one channel")
def by_turns(lab):
    channel = lab.channel()
    good = lab.method("unary_unary", lambda request, _: request, channel=channel)
    bad = lab.method("unary_unary", aborts(grpc.StatusCode.NOT_FOUND, "no"), channel=channel)
    for number in range(20):
        equal(good(b"%d" % number), b"%d" % number, "the answer")
        expect_status(bad, grpc.StatusCode.NOT_FOUND, details="no")

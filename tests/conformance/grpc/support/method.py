"""A method of the server as a client calls it, and what may come of a call."""
import grpc

from support.patience import PATIENCE
from support.registry import Failure, check, equal

Code = grpc.StatusCode


class Method:
    def __init__(self, lab, kind, path, channel):
        self.lab = lab
        self.path = path
        self.name = path.rsplit("/", 1)[1]
        self.kind = kind
        self.stub = getattr(channel, kind)(path)

    def over(self, channel):
        """The same method, called over another channel."""
        return Method(self.lab, self.kind, self.path, channel)

    def __call__(self, request=b"", **options):
        return self.stub(request, **{"timeout": PATIENCE, **options})

    def whole(self, request=b"", **options):
        """Of a method with one answer: that, and the call, which has the metadata."""
        return self.stub.with_call(request, **{"timeout": PATIENCE, **options})

    def start(self, request=b"", **options):
        """Of a method with one answer: without waiting for it."""
        return self.stub.future(request, **{"timeout": PATIENCE, **options})

    def visit(self):
        return self.lab.server.visit(self.name)

    def expect_visits(self, count):
        """So many calls have come to the server."""
        with self.lab.server.lock:
            there = self.lab.server.lock.wait_for(lambda: len(self.visits()) >= count, PATIENCE)
        check(there, f"expected {count} calls at the server, came {len(self.visits())}")

    def visits(self):
        return self.lab.server.visits_of(self.name)

    def expect_unseen(self):
        equal(len(self.visits()), 0, "the calls that came to the server")


def expect_status(do, *codes, details=None):
    """The error that comes of it, which must have one of these codes."""
    names = " or ".join(code.name for code in codes)
    try:
        came = do()
    except grpc.RpcError as error:
        check(error.code() in codes, f"expected {names}, came {error.code().name}: {error.details()}")
        if details is not None:
            equal(error.details(), details, "the details")
        return error
    raise Failure(f"expected {names}, came an answer: {came!r:.200}")


def values(metadata, name):
    return [value for key, value in metadata if key == name]

"""A gRPC server whose methods the cases make; messages are octets, so that nothing needs to be compiled."""
import concurrent.futures
import threading

import grpc

from support.patience import PATIENCE
from support.registry import Failure

KINDS = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}
THREADS = 160  # of handlers: more than the calls that any case has under way at once
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", 1 << 20),
           ("grpc.so_reuseport", 0)]


class Visit:
    """One call, as the server sees it."""

    def __init__(self, method, context):
        self.method = method
        self.context = context
        self.peer = context.peer()  # tells connections apart
        self.metadata = [(key, value) for key, value in context.invocation_metadata()]
        self.gone = threading.Event()  # the call has ended, by whomever
        if not context.add_callback(self.gone.set):
            self.gone.set()

    def values(self, name):
        return [value for key, value in self.metadata if key == name]

    def expect_gone(self):
        if not self.gone.wait(PATIENCE):
            raise Failure(f"expected that the call of {self.method} ends at the server, it goes on")


class Server(grpc.GenericRpcHandler):
    def __init__(self, folder):
        self.lock = threading.Condition()
        self.methods, self.visits, self.made = {}, [], 0
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS), handlers=[self], options=OPTIONS)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        with open(f"{folder}/backend.key", "rb") as key, open(f"{folder}/backend.crt", "rb") as chain:
            credentials = grpc.ssl_server_credentials([(key.read(), chain.read())])
        self.secure_port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    def service(self, details):
        """Of grpc: the handler of a method, whatever the service is called: the gateway chooses routes by that."""
        with self.lock:
            return self.methods.get(details.method.rsplit("/", 1)[1])

    def make(self, kind, do):
        """A method that nobody has called before: its name."""
        with self.lock:
            self.made += 1
            name = f"Method{self.made}"

        def noted(request, context):
            with self.lock:
                self.visits.append(Visit(name, context))
                self.lock.notify_all()
            return do(request, context)

        self.methods[name] = KINDS[kind](noted)
        return name

    def visits_of(self, name):
        with self.lock:
            return [visit for visit in self.visits if visit.method == name]

    def visit(self, name):
        """The first call of this method, as soon as it is there."""
        with self.lock:
            if not self.lock.wait_for(lambda: any(visit.method == name for visit in self.visits), PATIENCE):
                raise Failure(f"expected a call of {name} at the server, came {[visit.method for visit in self.visits]}")
            return next(visit for visit in self.visits if visit.method == name)

    def forget(self):
        with self.lock:
            self.methods, self.visits = {}, []

    def close(self):
        self.server.stop(0).wait(PATIENCE)

"""All that the cases share: a gRPC server, the gateway in front of it, clients, and what a case makes for itself."""
import itertools
import shutil
import socket
import tempfile
import threading

import grpc

from support.certificates import make_certificates
from support.client import Client, connect_tcp, connect_tls
from support.config import calls_config, make_keys, peers_config
from support.method import Method
from support.patience import PATIENCE
from support.peer import Peer
from support.process import Gateway
from support.registry import check, equal
from support.server import Server

CHANNEL = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", 1 << 20),
           ("grpc.enable_retries", 0),  # what is tried again is tried by the gateway
           ("grpc.use_local_subchannel_pool", 1)]  # a channel's connection is its own
SERVED, AS_BACKEND = "api.test", "backend.test"  # the names in the certificates


class Lab:
    def __init__(self, direct=False):
        self.direct = direct
        self.folder = tempfile.mkdtemp(prefix="sallyport-grpc-")
        self.numbers = itertools.count()
        self.gateway = self.server = None
        self.keys = {}
        self.unserved = []  # ports where nobody answers
        self.gateways, self.clients, self.channels, self.gates, self.peers = [], [], [], [], []

    # --- for the runner

    def prepare(self):
        make_certificates(self.folder)
        self.keys = {} if self.direct else make_keys(self.folder)
        self.server = Server(self.folder)

    def start(self):
        """The gateway of all calls, until a case fails. Cases about frames start one of their own, so that none gets another's connections."""
        if not self.direct:
            self.gateway = self._start_gateway(calls_config(self.server, self.closed_port()))

    def _start_gateway(self, config):
        return Gateway(self.folder, f"gateway{next(self.numbers)}", config)

    def healthy(self):
        return self.direct or self.gateway.alive()

    def stop(self):
        return None if self.direct else self.gateway.stop()

    def reason_to_skip(self, case):
        return "it needs a gateway" if self.direct and not case.direct else None

    def end_case(self):
        """What the gateways of this case have to say for themselves, or None."""
        for gate in self.gates:
            gate.set()
        for one in self.channels + self.clients:
            one.close()
        for peer in self.peers:
            peer.close()
        findings = [gateway.stop() for gateway in self.gateways]
        self.gateways, self.clients, self.channels, self.gates, self.peers = [], [], [], [], []
        self.server.forget()
        return "\n".join(filter(None, findings)) or None

    def close(self):
        for gateway in filter(None, self.gateways + [self.gateway]):
            gateway.kill()
        for peer in self.peers:
            peer.close()
        if self.server:
            self.server.close()
        for unserved in self.unserved:
            unserved.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- for cases with calls

    def channel(self, gateway=None):
        """gRPC over TLS: a connection of its own to the gateway, or to the server itself."""
        issuer, name = ("backend.crt", AS_BACKEND) if self.direct else ("tls.crt", SERVED)
        port = self.server.secure_port if self.direct else (gateway or self.gateway).port("edge")
        with open(f"{self.folder}/{issuer}", "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        made = grpc.secure_channel(f"127.0.0.1:{port}", credentials, CHANNEL + [("grpc.ssl_target_name_override", name)])
        self.channels.append(made)
        return made

    def method(self, kind, do, service="Open", channel=None):
        """A new method of the server, and how to call it. service: which route of the gateway it goes by."""
        name = self.server.make(kind, do)
        return Method(self, kind, f"/test.{service}/{name}", channel or self.channel())

    def gate(self):
        """An event that is set at the end of the case at the latest, so that nobody waits for longer."""
        gate = threading.Event()
        self.gates.append(gate)
        return gate

    def closed_port(self):
        """A port where nobody listens, nor ever will: it is bound."""
        unserved = socket.socket()
        unserved.bind(("127.0.0.1", 0))
        self.unserved.append(unserved)
        return unserved.getsockname()[1]

    # --- for cases with frames

    def peer(self, **options):
        """A backend made of frames."""
        peer = Peer(self.folder, **options)
        self.peers.append(peer)
        return peer

    def front(self, *peers, upstream="", route="", http="{}"):
        """A gateway of this case's own in front of these backends. upstream, route, http: more of the config, as YAML."""
        gateway = self._start_gateway(peers_config(peers, upstream, route, http))
        self.gateways.append(gateway)
        return gateway

    def refront(self, gateway, *peers, upstream="", route="", http="{}"):
        """Puts a gateway in front of these backends instead, by a reload."""
        gateway.reload(peers_config(peers, upstream, route, http))

    def client(self, gateway=None, **options):
        """HTTP/2 over TLS, frame by frame, to this gateway."""
        secure = connect_tls((gateway or self.gateway).port("edge"))
        equal(secure.selected_alpn_protocol(), "h2", "the protocol agreed on")
        return self.keep(Client(secure, patience=PATIENCE, **options))

    def between(self, peer, upstream="", **options):
        """A client of HTTP/2 with this backend behind it, through a gateway or not."""
        if self.direct:
            return self.keep(Client(connect_tcp(peer.port), patience=PATIENCE, **options))
        return self.client(self.front(peer, upstream=upstream), **options)

    def old_client(self, gateway=None):
        """A TLS connection for HTTP/1.1."""
        secure = connect_tls((gateway or self.gateway).port("edge"), ("http/1.1",))
        secure.settimeout(PATIENCE)
        return self.keep(secure)

    def keep(self, client):
        self.clients.append(client)
        return client

    def late(self, gateway, seconds):
        """Moves the clock of a gateway that has seen what was sent until now: it has one worker, and that has answered behind it."""
        self.client(gateway).settle()
        gateway.advance(seconds + 1)


def expect_event(event, what):
    check(event.wait(PATIENCE), f"expected {what}, it did not come")

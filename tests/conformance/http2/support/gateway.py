"""The gateway of these cases, with recording backends behind it."""
import os
import shutil
import subprocess
import tempfile
import threading
import time

from support.backend import Backend
from support.client import PATIENCE, Client, connect_tcp, connect_tls
from support.process import START_PATIENCE, Gateway, binary, make_certificate
from support.registry import Failure, check, equal

CONFIG = """
version: 1
workers: 1
listeners:
  - name: edge
    address: "127.0.0.1:0"
    tls: {{ certificates: [ {{ cert: tls.crt, key: tls.key }} ] }}
  - {{ name: old, address: "127.0.0.1:0", tls: {{ certificates: [ {{ cert: tls.crt, key: tls.key }} ], http2: false }} }}
  - {{ name: mesh, address: "127.0.0.1:0", plaintext: true }}
log: {{ access: {{ to: off }} }}
upstreams:
  backend: {{ targets: [ "http://127.0.0.1:{backend}" ] }}
  narrow: {{ targets: [ "http://127.0.0.1:{narrow}" ] }}
  few: {{ targets: [ "http://127.0.0.1:{backend}" ], connections_max: 8 }}
authenticators: {{ keys: {{ type: api_key, file: keys.yaml }} }}
defaults: {{ body: {{ max: 64MiB }} }}
routes:
  - {{ name: all, match: {{ path: "/{{rest...}}" }}, authenticate: public, forward: {{ to: backend }} }}
  - {{ name: narrow, match: {{ path: "/narrow/{{rest...}}" }}, authenticate: public, forward: {{ to: narrow }} }}
  - {{ name: few, match: {{ path: "/few/{{rest...}}" }}, authenticate: public, forward: {{ to: few }} }}
  - {{ name: sockets, match: {{ path: "/ws/{{rest...}}" }}, authenticate: public, forward: {{ to: backend, upgrade: [ websocket ] }} }}
  - {{ name: small, match: {{ path: /small }}, authenticate: public, body: {{ max: 10B }}, forward: {{ to: backend }} }}
  - {{ name: gets, match: {{ path: /gets, methods: [GET] }}, authenticate: public, forward: {{ to: backend }} }}
  - {{ name: keyed_sockets, match: {{ path: "/keyed/ws/{{rest...}}" }}, authenticate: {{ any_of: [keys] }}, forward: {{ to: backend, upgrade: [ websocket ] }} }}
  - {{ name: keyed, match: {{ path: "/keyed/{{rest...}}" }}, authenticate: {{ any_of: [keys] }}, forward: {{ to: backend }} }}
  - name: checked
    match: {{ path: /checked }}
    authenticate: public
    validate: {{ body: {{ schema: {{ type: object, additionalProperties: false }} }}, headers: {{ x-tenant: {{ const: acme }}, cookie: {{ const: "a=b; c=d" }} }} }}
    forward: {{ to: backend }}
  - {{ name: closed, match: {{ path: /closed }}, authenticate: public, validate: {{}}, forward: {{ to: backend }} }}
  - {{ name: alive, match: {{ path: /alive }}, authenticate: public, respond: {{ status: 204 }} }}
"""


class Lab:
    """All that the cases share; `begin` and `end` stand around each of them."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sallyport-h2-")
        self.backend = Backend()
        self.narrow = Backend(receive_buffer=4096)
        self.gateways, self.clients, self.gates = [], [], []
        self.gateway = None

    def prepare(self):
        make_certificate(self.folder)
        self.make_key()

    def keys(self, *words):
        done = subprocess.run([binary(), "keys", *words, "--file", os.path.join(self.folder, "keys.yaml")], check=True, capture_output=True)
        return done.stdout.decode().split("\n")[0]

    def make_key(self):
        self.key = self.keys("create", "--client", "acme")

    def revoke_key(self):
        """The gateway knows it when this returns."""
        told = self.gateway.errors().count("keys_reloaded")
        self.keys("revoke", "--id", self.key[3:15])
        until = time.monotonic() + START_PATIENCE
        while self.gateway.errors().count("keys_reloaded") == told:
            check(time.monotonic() < until, "expected the key file to be read again")
            time.sleep(0.01)

    def start(self):
        """The gateway of all cases, until one of them fails."""
        self.gateway = self.start_gateway()

    def healthy(self):
        return self.gateway.alive()

    def stop(self):
        return self.gateway.stop()

    def reason_to_skip(self, _):
        return None

    def start_gateway(self):
        name = f"gateway{len(self.gateways)}"
        started = Gateway(self.folder, name, CONFIG.format(backend=self.backend.port, narrow=self.narrow.port))
        self.gateways.append(started)
        return started

    def end_case(self):
        for gate in self.gates:
            gate.set()
        self._close_clients()
        try:  # whatever the gateway still had to do is done when it has answered this
            self.connect().get("/between")
        except (Failure, OSError):
            pass  # the next case will tell
        self._close_clients()
        self.gates = []
        until = time.monotonic() + PATIENCE
        while not (self.backend.quiet() and self.narrow.quiet()) and time.monotonic() < until:
            time.sleep(0.001)
        self.backend.forget()
        self.narrow.forget()

    def _close_clients(self):
        for client in self.clients:
            client.close()
        self.clients = []

    def close(self):
        for gateway in self.gateways:
            gateway.kill()
        self.backend.close()
        self.narrow.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- for the cases

    def connect(self, gateway=None, **options):
        """HTTP/2 over TLS, agreed on by ALPN; the preface is sent if nothing else is said."""
        secure = connect_tls((gateway or self.gateway).port("edge"))
        equal(secure.selected_alpn_protocol(), "h2", "the protocol agreed on")
        return self.keep(Client(secure, **options))

    def connect_plain(self, **options):
        """HTTP/2 with prior knowledge."""
        return self.keep(Client(connect_tcp(self.gateway.port("mesh")), **options))

    def keep(self, client):
        self.clients.append(client)
        return client

    def gate(self):
        """An event that is set at the end of the case at the latest, so that nobody waits for longer."""
        gate = threading.Event()
        self.gates.append(gate)
        return gate

    def expect_serving(self):
        """A connection that is opened now is served."""
        self.connect().get("/still/there")

    def expect_untouched(self, client=None):
        """The backend has got nothing. A request that it does get is sent behind, so that what came before it would be there."""
        (client or self.connect()).get("/marker")
        equal(self.backend.paths(), ["/marker"], "what the backend got")

    def expect_untouched_but(self, client, path, content, length):
        """The backend has got no whole request for this path, or one with exactly this content, if that is as long as was said."""
        client.get("/marker")
        for visit in self.backend.visits:
            if visit.path == path and visit.whole.is_set():
                equal(bytes(visit.content), content, f"the content of {path}, a whole request at the backend")
                equal(len(content), length, f"the length of {path}, a whole request at the backend")
        check(set(self.backend.paths()) <= {path, "/marker"}, f"expected nothing else at the backend, came {self.backend.paths()}")

    def expect_forwarded(self, path):
        check(path in self.backend.paths(), f"expected {path} at the backend, came {self.backend.paths()}")

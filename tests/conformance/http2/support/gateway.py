"""The gateway as its operator starts it: a config, a certificate, a process of its own, a clock that the test moves."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from support.backend import Backend
from support.client import PATIENCE, Client, connect_tcp, connect_tls
from support.registry import Failure, check, equal

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../../.."))
BINARY = os.environ.get("SALLYPORT_BINARY", os.path.join(TOP, "build/asan/sallyport"))
START_PATIENCE = 20.0
COMPLAINT_MOST = 4000  # characters

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
authenticators: {{ keys: {{ type: api_key, file: keys.yaml }} }}
defaults: {{ body: {{ max: 64MiB }} }}
routes:
  - {{ name: all, match: {{ path: "/{{rest...}}" }}, authenticate: public, forward: {{ to: backend }} }}
  - {{ name: narrow, match: {{ path: "/narrow/{{rest...}}" }}, authenticate: public, forward: {{ to: narrow }} }}
  - {{ name: small, match: {{ path: /small }}, authenticate: public, body: {{ max: 10B }}, forward: {{ to: backend }} }}
  - {{ name: gets, match: {{ path: /gets, methods: [GET] }}, authenticate: public, forward: {{ to: backend }} }}
  - {{ name: keyed, match: {{ path: "/keyed/{{rest...}}" }}, authenticate: {{ any_of: [keys] }}, forward: {{ to: backend }} }}
  - {{ name: alive, match: {{ path: /alive }}, authenticate: public, respond: {{ status: 204 }} }}
"""


def has_test_clock():
    with open(BINARY, "rb") as binary:
        return b"SALLYPORT_TEST_CLOCK" in binary.read()


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=api.test", "-addext", "subjectAltName=DNS:api.test", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt"],
                   check=True, stderr=subprocess.DEVNULL)


class Gateway:
    def __init__(self, folder, name, config):
        self.path = os.path.join(folder, name)
        self.shift = 0
        with open(self.path + ".yaml", "w", encoding="ascii") as file:
            file.write(config)
        with open(self.path + ".clock", "wb") as file:
            file.write(bytes(8))
        environment = dict(os.environ, SALLYPORT_TEST_CLOCK=self.path + ".clock")
        # an abort tells where it was, too
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "detect_stack_use_after_return=0") + ":handle_abort=1"
        with open(self.path + ".err", "wb") as errors:
            self.process = subprocess.Popen([BINARY, "run", self.path + ".yaml"], stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        self._wait_for_start()

    def _wait_for_start(self):
        until = time.monotonic() + START_PATIENCE
        while " started " not in self.errors():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise Failure(f"the gateway did not start:\n{self.errors()}")
            time.sleep(0.01)

    def errors(self):
        with open(self.path + ".err", encoding="utf-8", errors="replace") as file:
            return file.read()

    def complaint(self):
        """The beginning of what it has written to stderr, and of a sanitizer's finding there."""
        text = self.errors()
        finding = re.search(r"==\d+==|runtime error", text)
        return text[finding.start():][:COMPLAINT_MOST] if finding else text[-COMPLAINT_MOST:]

    def port(self, listener):
        return int(re.search(rf"listening name={listener} address=127\.0\.0\.1:(\d+)", self.errors())[1])

    def advance(self, seconds):
        """Moves the gateway's clock; whatever waits for a time looks at it every few milliseconds."""
        self.shift += int(seconds * 1e9)
        with open(self.path + ".clock", "r+b") as file:
            file.write(self.shift.to_bytes(8, "little"))

    def terminate(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """The exit status."""
        try:
            return self.process.wait(START_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            return "none: it had to be killed"

    def stop(self):
        """None if it ends in order, or what it says: a finding of a sanitizer makes its exit status another than 0."""
        self.terminate()
        self.advance(3600)  # nothing that it still waits for is waited for
        status = self.wait()
        return None if status == 0 else f"the gateway's exit status is {status}:\n{self.complaint()}"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


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
        done = subprocess.run([BINARY, "keys", *words, "--file", os.path.join(self.folder, "keys.yaml")], check=True, capture_output=True)
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

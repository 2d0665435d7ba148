"""The gateway as its operator starts it: a config, a certificate, a process of its own, a clock that the test moves."""
import functools
import os
import re
import signal
import subprocess
import time

from support.registry import Failure

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
START_PATIENCE = 20.0
COMPLAINT_MOST = 4000  # characters


def binary():
    return os.environ.get("SALLYPORT_BINARY", os.path.join(TOP, "build/asan/sallyport"))


@functools.cache
def has_test_clock():
    with open(binary(), "rb") as file:
        return b"SALLYPORT_TEST_CLOCK" in file.read()


def make_certificate(folder, name="tls", subject="api.test", alternatives="DNS:api.test"):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    f"/CN={subject}", "-addext", f"subjectAltName={alternatives}", "-keyout", f"{folder}/{name}.key",
                    "-out", f"{folder}/{name}.crt"],
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
            self.process = subprocess.Popen([binary(), "run", self.path + ".yaml"], stdout=subprocess.DEVNULL, stderr=errors, env=environment)
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

    def alive(self):
        return self.process.poll() is None

    def reload(self, config):
        """Serves by another config from here on; what is under way keeps the old one."""
        before = self.errors().count(" config_reloaded ")
        with open(self.path + ".yaml", "w", encoding="ascii") as file:
            file.write(config)
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + START_PATIENCE
        while self.errors().count(" config_reloaded ") == before:
            if not self.alive() or time.monotonic() > until:
                raise Failure(f"the gateway did not read its config again:\n{self.errors()}")
            time.sleep(0.01)

    def terminate(self):
        if self.alive():
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
        if self.alive():
            self.process.kill()
            self.process.wait()

"""The cases, and how one of them says that it failed."""

CASES = []


class Failure(Exception):
    """What was expected and what came."""


class Case:
    def __init__(self, section, name, run, needs_clock, direct):
        self.section = section
        self.name = name
        self.run = run
        self.needs_clock = needs_clock
        self.direct = direct

    def __str__(self):
        return f"{self.section} {self.name}"


def case(section, name, needs_clock=False, direct=False):
    """Registers a function of the lab. section: such as RFC9113-6.7, RFC7541-5.2, CVE-2023-44487. direct: holds without a gateway, too."""

    def register(run):
        one = Case(section, name, run, needs_clock, direct)
        if any(str(one) == str(other) for other in CASES):
            raise ValueError(f"two cases are called {one}")
        CASES.append(one)
        return run

    return register


def check(good, text):
    if not good:
        raise Failure(text)


def equal(came, expected, what):
    if came != expected:
        raise Failure(f"{what}: expected {shortened(expected)}, came {shortened(came)}")


def shortened(value, most=600):
    text = repr(value)
    return text if len(text) <= most else text[:most] + "…"

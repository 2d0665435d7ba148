"""Certificates of one run: the gateway's, its backends', and one that nobody trusts."""
from support.process import make_certificate


def make_certificates(folder):
    make_certificate(folder)
    make_certificate(folder, "backend", "backend.test", "DNS:backend.test")
    make_certificate(folder, "stranger", "backend.test", "DNS:backend.test")

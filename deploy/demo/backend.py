#!/usr/bin/env python3
"""A legacy backend for the demonstration: answers every request with what it was sent. Standard library only."""
import http.server
import sys


class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        seen = {k: v for k, v in self.headers.items() if k.startswith("X-")}
        text = f"{self.command} {self.path}\n{seen}\n{body.decode(errors='replace')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()

"""Answers the probes of an orchestrator over HTTP: is this worker alive, is it ready.

It runs in a thread of its own, so that it answers also when the event loop is blocked.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from schemas import Fatal
from streams.health import Health


@contextmanager
def probes(address: tuple[str, int], health: Callable[[], Health]) -> Iterator[int]:
    """Serve `/health/live` and `/health/ready` while the context lasts; gives the port (0 asks for any free one).

    200 or 503, with the worker's health as JSON. Raises Fatal when the address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            now = health()
            good = {"/health/live": now.live, "/health/ready": now.ready}.get(self.path)
            body = msgspec.json.encode(now) if good is not None else b'{"detail":"ask /health/live or /health/ready"}'
            self.send_response(404 if good is None else 200 if good else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the library calls it
            """Probes come every few seconds: nothing to log."""

    try:
        server = ThreadingHTTPServer(address, Handler)
    except OSError as error:
        raise Fatal(
            f"health cannot be served at {address[0]}:{address[1]}: {error.strerror}; name another port"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="headrace-probes", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

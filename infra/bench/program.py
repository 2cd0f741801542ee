"""The processes that benchmarks start, as `python -m infra.bench.program WHAT`; settings come as JSON on stdin.

They end with SIGTERM, or when stdin ends: so none stays when the benchmark was killed.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import replace

from infra.bench.bare_server import serve_bare
from infra.config import Settings, read
from infra.process import begin
from producers import CommandHandler
from producers.processing import Result
from producers.requests import Request
from schemas import discover


class OneByOne(CommandHandler):
    """A command handler without group commit: one transaction a command."""

    def _process(self, requests: list[Request]) -> list[Result]:
        return [result for request in requests for result in super(OneByOne, self)._process([request])]

    def _next_group(self) -> list[object]:  # type: ignore[override]
        return [self._waiting.popleft()]


def api(settings: Settings) -> None:
    """The HTTP API as it is."""
    from infra.api import serve

    serve(settings)


def api_one_by_one(settings: Settings) -> None:
    """The HTTP API with one transaction a command."""
    from infra.api import serve

    serve(settings, OneByOne)


def relay(settings: Settings) -> None:
    """The relay of orders, into the topics of the generation that the second argument says."""
    from producers.relay import run_relay

    domain = replace(discover(settings.namespace)["orders"], generation=int(sys.argv[2]))
    run_relay([domain], settings.postgres, settings.kafka, begin(settings))


def intake(settings: Settings) -> None:
    """The Kafka intake of orders."""
    from producers.intake import run_intake

    run_intake([discover(settings.namespace)["orders"]], settings.postgres, settings.kafka, "bench", begin(settings))


PROGRAMS = {"intake": intake, "relay": relay, "api": api, "api-one-by-one": api_one_by_one, "bare-server": serve_bare}


def _end_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the program that the first argument names."""
    settings = read(json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    PROGRAMS[sys.argv[1]](settings)


if __name__ == "__main__":
    main()

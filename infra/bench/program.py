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
from pathlib import Path
from typing import Any

from infra.bench.bare_server import serve_bare
from infra.config import Settings, export, read
from infra.process import begin
from producers import CommandHandler
from producers.handling.rounds import Result
from schemas import discover


class OneByOne(CommandHandler):
    """A command handler without group commit: one transaction a command."""

    @property
    def _plenty(self) -> bool:
        return False

    def _finish(self, group: Any) -> list[Result]:
        return [result for request in group.requests for result in self._processor.process([request])]


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
    from producers.intake import Servers, run_intake

    servers = Servers(settings.postgres, settings.kafka, "bench")
    run_intake([discover(settings.namespace)["orders"]], servers, begin(settings))


def load(settings: Settings) -> None:
    """The loader of the orders' events: the sink without its other topics."""
    from sinks.sink import run_targets
    from sinks.targets import EventsTarget

    target = EventsTarget(discover(settings.namespace)["orders"])
    run_targets([target], settings.kafka, settings.clickhouse, begin(settings))


def worker(settings: Settings) -> None:
    """The worker of orders, with the directory for its identity that the argument says."""
    from streams.worker import run_worker

    run_worker(discover(settings.namespace)["orders"], settings.kafka, Path(sys.argv[2]), begin(settings))


def sink(settings: Settings) -> None:
    """The sink of orders."""
    from sinks.sink import run_sink

    run_sink([discover(settings.namespace)["orders"]], settings.kafka, settings.clickhouse, begin(settings))


def fold(settings: Settings) -> None:
    """The worker of `bench fold`, with the projection and the directory for its identity that the arguments say."""
    from infra.bench.fold.domain import domain, plant
    from streams.worker import run_worker

    plant()
    chosen = domain(settings.namespace, int(sys.argv[2]))
    run_worker(chosen, settings.kafka, Path(sys.argv[3]), begin(settings), store=settings.table_store)


def stock_faust(settings: Settings) -> None:
    """Stock Faust, with the name and the topic that the arguments say."""
    from infra.bench.fold.stock_faust import run

    run(sys.argv[2], sys.argv[3], settings.kafka)


def command(_: Settings) -> None:
    """The program of another language or environment that the arguments say, in place of this process. It ends with
    its stdin."""
    os.execv(sys.argv[2], sys.argv[2:])


def cli(settings: Settings) -> None:
    """A command of `headrace` on orders, with the directory for its files and the words that the arguments say."""
    from infra.cli import main

    export(replace(settings, home=Path(sys.argv[2]), domains="orders"))
    sys.argv = ["headrace", *sys.argv[3:]]
    main()


PROGRAMS = {
    "cli": cli,
    "command": command,
    "faust": stock_faust,
    "fold": fold,
    "intake": intake,
    "load": load,
    "relay": relay,
    "sink": sink,
    "worker": worker,
    "api": api,
    "api-one-by-one": api_one_by_one,
    "bare-server": serve_bare,
}


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

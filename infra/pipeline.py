"""The pipeline on its servers: where they are, what must exist in them, and the processes to run."""

import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace

from infra import migrations, stack, topics
from infra.config import Settings, variable
from infra.stack import Addresses, Program
from schemas import Domain, Fatal, Invalid, Unavailable, discover

_API_SECONDS = 30.0


def given(settings: Settings) -> Addresses:
    """The addresses of the servers that the settings name; those are not started here."""
    return Addresses(**{name: getattr(settings, name) for name in asdict(Addresses())})


def addresses(settings: Settings) -> Addresses:
    """Where the servers are: those that are given, and of the embedded stack for the rest.

    Raises Fatal when a server is neither given nor was ever started.
    """
    known = Addresses.read(settings.home) or Addresses()
    found = replace(known, **{name: url for name, url in asdict(given(settings)).items() if url})
    missing = [name for name, url in asdict(found).items() if not url]
    if missing:
        raise Fatal(f"no {missing[0]} is known: start the stack with `headrace up` or set {variable(missing[0])}")
    return found


def domains(settings: Settings) -> dict[str, Domain]:
    """All domains by name, in the namespace of the settings."""
    return discover(settings.namespace)


def selected(settings: Settings, name: str | None) -> list[Domain]:
    """The domain of that name, or all of them. Raises Invalid for a name that there is not."""
    known = domains(settings)
    if name is not None and name not in known:
        raise Invalid(f"there is no domain {name!r}; there are {', '.join(known)}", field="domain")
    return [domain for domain in known.values() if name in (None, domain.name)]


def prepare(settings: Settings) -> None:
    """Create or migrate what must exist before the processes start. Safe to run twice."""
    at = addresses(settings)
    migrations.migrate(at.postgres)
    topics.declare(at.kafka, domains(settings).values())


def programs(settings: Settings) -> list[Program]:
    """The processes of the pipeline: one API, one intake, one relay, one sink, one worker a domain."""
    inherited = {variable(name): str(value) for name, value in vars(settings).items() if str(value)}

    def program(name: str, *command: str) -> Program:
        return Program(name=name, command=[sys.executable, "-m", "infra.cli", *command], environment=inherited)

    workers = [program(f"worker-{name}", "worker", name) for name in domains(settings)]
    return [
        program("sink", "sink"),
        *workers,
        program("relay", "relay"),
        program("intake", "intake"),
        program("api", "api"),
    ]


def bring_up(settings: Settings, say: Callable[[str], None]) -> Addresses:
    """Start servers and pipeline, and leave nothing running when a part of it does not start.

    `say` gets a sentence for each step. Raises Unavailable or Fatal with a sentence.
    """
    ran = stack.running(settings.home)
    at = stack.up(settings.home, given=given(settings), say=say)
    try:
        _check_port(settings)
        prepare(settings)
        say("tables and topics: ready")
        stack.add(settings.home, programs(settings), say=say)
        _await_api(settings)
    except BaseException:
        if not ran:
            stack.down(settings.home)
        raise
    return at


def _await_api(settings: Settings) -> None:
    deadline = time.monotonic() + _API_SECONDS
    while True:
        try:
            socket.create_connection((settings.http_host, settings.http_port), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"the API does not listen after {_API_SECONDS:.0f} s; `headrace logs api`") from error
            time.sleep(0.05)


def _check_port(settings: Settings) -> None:
    if any(part.name == "api" and part.pid for part in stack.status(settings.home, given=given(settings))):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http_host, settings.http_port))
        except OSError as error:
            raise Fatal(
                f"the HTTP API cannot listen on {settings.http_host}:{settings.http_port} ({error.strerror}); "
                f"set {variable('http_port')} to another port"
            ) from error

"""The pipeline on its servers: where they are, what must exist in them, and the processes to run."""

import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from infra import migrations, stack, topics
from infra.builds import there
from infra.config import Settings, variable, variables
from infra.listening import bound
from infra.stack import Addresses, Program
from producers.proof.keys import load_private
from schemas import Domain, Fatal, Invalid, Unavailable, discover
from streams.wiring import Wired, find

_API_SECONDS = 120.0  # a dozen processes start at once, perhaps on two cores


def given(settings: Settings) -> Addresses:
    """The addresses of the servers that the settings name; those are not started here."""
    return Addresses(**{name: getattr(settings, name) for name in asdict(Addresses())})


def addresses(settings: Settings, *needed: str) -> Addresses:
    """Where the servers are: those that are given, and of the embedded stack for the rest.

    Raises Fatal when one of those `needed` (names of fields; none: all) is neither given nor was ever started.
    """
    known = Addresses.read(settings.home) or Addresses()
    found = replace(known, **{name: url for name, url in asdict(given(settings)).items() if url})
    missing = [name for name in needed or asdict(found) if not getattr(found, name)]
    if missing:
        raise Fatal(f"no {missing[0]} is known: start the stack with `headrace up` or set {variable(missing[0])}")
    return found


def domains(settings: Settings) -> dict[str, Domain]:
    """The served domains by name, in the namespace of the settings. Raises Fatal for one that there is not."""
    known = discover(settings.namespace)
    chosen = settings.domains.split(",") if settings.domains else list(known)
    if unknown := [name for name in chosen if name not in known]:
        there = ", ".join(known)
        raise Fatal(f"{variable('domains')} names {unknown[0]!r}, which is no domain here; there are {there}")
    return {name: domain for name, domain in known.items() if name in chosen}


def processes(settings: Settings) -> dict[str, Wired]:
    """The process managers by name, in the namespace of the settings: those of which all domains are served."""
    served = set(domains(settings))
    known = find(discover(settings.namespace), settings.namespace)
    return {name: wired for name, wired in known.items() if wired.domains <= served}


def selected(settings: Settings, name: str | None) -> list[Domain]:
    """The domain of that name, or all of them. Raises Invalid for a name that there is not."""
    known = domains(settings)
    if name is not None and name not in known:
        raise Invalid(f"there is no domain {name!r}; there are {', '.join(known)}", field="domain")
    return [domain for domain in known.values() if name in (None, domain.name)]


def in_projection(domain: Domain, projection: int | None) -> Domain:
    """The domain in one of its projection versions, the newest if none is named. Raises Invalid for another."""
    known = {version.projection: version for version in domain.projections}
    if projection is not None and projection not in known:
        there = ", ".join(map(str, known))
        raise Invalid(f"{domain.name} has no projection {projection}; there are {there}", field="projection")
    return domain if projection is None else known[projection]


def worker_name(domain: Domain) -> str:
    """The program that folds a domain in one of its projection versions."""
    return f"worker-{domain.module.replace('_v', '-v')}"


def api_names(settings: Settings) -> list[str]:
    """The programs that serve the HTTP API."""
    return ["api", *(f"api-{number}" for number in range(2, settings.http_processes + 1))]


def worker_data(settings: Settings) -> Path:
    """Where the workers of this machine keep their identities and their health."""
    return settings.home / "worker"


def signing_key(settings: Settings) -> Path:
    """Where the private key lies that signs checkpoints."""
    return (
        Path(settings.signing_key).expanduser() if settings.signing_key else settings.home / "signing.key"
    ).absolute()


def prepare(settings: Settings) -> None:
    """Create or migrate what must exist before the processes start. Safe to run twice."""
    at = addresses(settings)
    migrations.migrate(at.postgres)
    topics.declare(at.kafka, there(settings, at.postgres, domains(settings).values()), processes(settings).values())


def programs(settings: Settings) -> list[Program]:
    """The processes of the pipeline: the APIs, one intake, one relay, one sink, one worker a domain and projection, one
    process a process manager; one that signs checkpoints when the settings name a key for it, and one that archives
    when they name a place for it."""
    if settings.signing_key:
        settings = replace(settings, signing_key=str(signing_key(settings)))  # the processes start elsewhere
    if settings.archive and "://" not in settings.archive:
        settings = replace(settings, archive=str(Path(settings.archive).expanduser().absolute()))
    if settings.domains:
        settings = replace(settings, domains=",".join(domains(settings)))
    inherited = variables(settings)

    def program(name: str, *command: str) -> Program:
        return Program(name=name, command=[sys.executable, "-m", "infra.cli", *command], environment=inherited)

    signing = ["checkpoint", "--topic", "--every", f"{settings.checkpoint_seconds}s"] if settings.signing_key else []
    archiving = ["archive", "run", "--every", f"{settings.archive_seconds}s"] if settings.archive else []
    workers = [
        program(worker_name(version), "worker", name, "--projection", str(version.projection))
        for name, domain in domains(settings).items()
        for version in domain.projections
    ]
    return [
        program("sink", "sink"),
        *workers,
        *(program(f"process-{name}", "process", name) for name in processes(settings)),
        program("relay", "relay"),
        program("intake", "intake"),
        *([program("checkpoint", *signing)] if signing else []),
        *([program("archive", *archiving)] if archiving else []),
        *(program(name, "api") for name in api_names(settings)),
    ]


def bring_up(settings: Settings, say: Callable[[str], None]) -> Addresses:
    """Start servers and pipeline, and leave nothing running when a part of it does not start.

    `say` gets a sentence for each step. Raises Unavailable or Fatal with a sentence.
    """
    if settings.signing_key:
        load_private(signing_key(settings))
    ran = stack.running(settings.home)
    at = stack.up(settings.home, given=given(settings), say=say)
    try:
        _check_port(settings)
        prepare(settings)
        say("tables and topics: ready")
        stack.run(settings.home, programs(settings), say=say)
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
    running = {part.name for part in stack.status(settings.home, given=given(settings)) if part.pid}
    if not running.isdisjoint(api_names(settings)):
        return
    bound(settings, shared=False).close()

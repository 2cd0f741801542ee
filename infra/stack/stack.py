"""The embedded stack as a whole: start it, stop it, look at it."""

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from infra.stack import clickhouse, kafka, leftovers, postgres
from infra.stack.addresses import Addresses
from infra.stack.errors import StackError, tail
from infra.stack.layout import Layout
from infra.stack.ports import Ports
from infra.stack.program import Program
from infra.stack.supervisor import Supervisor

SERVERS: dict[str, ModuleType] = {"kafka": kafka, "postgres": postgres, "clickhouse": clickhouse}
_READY_SECONDS = 90.0
_NONE = Addresses()


def _silent(sentence: str) -> None:
    del sentence


def up(
    home: Path,
    pipeline: Sequence[Program] = (),
    *,
    given: Addresses = _NONE,
    say: Callable[[str], None] = _silent,
) -> Addresses:
    """Start the servers, wait until each answers, then start the programs of `pipeline`; answers the addresses.

    A server whose address is `given` is not started, only asked whether it answers. What runs already is left
    alone. `say` gets a sentence for each step. When a part does not start, or at Ctrl-C, all is stopped again if
    it was this call that started it. Raises StackError.
    """
    layout = Layout.at(home)
    with layout.lock():
        supervisor = Supervisor(layout)
        ran = supervisor.alive()
        try:
            if not ran:
                leftovers.end(layout.home)
                supervisor.start()
            with Ports(layout.home / "ports.json") as ports:
                addresses = _servers(layout, supervisor, ports, given, say)
            _launch(layout, supervisor, pipeline, say)
        except BaseException:
            if not ran:
                _stop(layout, supervisor)
            raise
        return addresses


def run(home: Path, programs: Sequence[Program], *, say: Callable[[str], None] = _silent) -> None:
    """Let a running stack run just these programs beside its servers: what is new is started, what has a new command is
    restarted, what is not among them is stopped and forgotten. Raises StackError."""
    layout, supervisor = _running(home)
    with layout.lock():
        for name in sorted(supervisor.states().keys() - SERVERS.keys() - {program.name for program in programs}):
            supervisor.forget(name)
            say(f"{name}: stopped, since the settings do not ask for it")
        _launch(layout, supervisor, programs, say)


def down(home: Path, *, say: Callable[[str], None] = _silent) -> bool:
    """Stop everything of the stack, also what a killed supervisor left. Answers whether anything ran."""
    if not os.path.isdir(home):  # noqa: PTH112 - unlike Path.is_dir, false where we may not look
        return False
    layout = Layout.at(home)
    with layout.lock():
        return _stop(layout, Supervisor(layout), say)


def start(home: Path, name: str) -> None:
    """Start a known program of a running stack that was stopped; a server answers then. Raises StackError."""
    layout, supervisor = _running(home)
    supervisor.resume(name)
    _await_running(layout, supervisor, name)
    addresses = Addresses.read(layout.home)
    if name in SERVERS and addresses:
        _await_answer(layout, supervisor, name, getattr(addresses, name), embedded=True)


def stop(home: Path, name: str) -> None:
    """Stop a program of a running stack; it stays stopped until `start`. Raises StackError."""
    _running(home)[1].stop(name)


def restart(home: Path, name: str) -> None:
    """Stop a program of a running stack and start it again. Raises StackError."""
    stop(home, name)
    start(home, name)


def running(home: Path) -> bool:
    """Whether the stack's supervisor runs."""
    return Supervisor(Layout(home.resolve())).alive()


def programs(home: Path) -> set[str]:
    """The names of the servers and programs that a running stack has. Raises StackError when it does not run."""
    return set(_running(home)[1].states())


def _running(home: Path) -> tuple[Layout, Supervisor]:
    layout = Layout.at(home)
    supervisor = Supervisor(layout)
    if not supervisor.alive():
        raise StackError(f"no stack runs in {layout.home}; `headrace up` starts it")
    return layout, supervisor


def _servers(
    layout: Layout, supervisor: Supervisor, ports: Ports, given: Addresses, say: Callable[[str], None]
) -> Addresses:
    known = asdict(Addresses.read(layout.home) or _NONE)
    found = {name: address for name, address in asdict(given).items() if address}
    states = supervisor.states()
    started: list[str] = []
    for name, server in SERVERS.items():
        if name in found:
            continue
        if name in states and states[name].runs:
            found |= {field: address for field, address in known.items() if field.startswith(name)}
            continue
        program, urls = server.prepare(layout, _ports(ports, server, say), say)
        known |= urls
        found |= urls
        # Before the launch: were we killed after it, the next start must find the address of what runs.
        Addresses(**known).write(layout.home)
        supervisor.launch(program)
        started.append(name)
    addresses = Addresses(**found)
    for name in SERVERS:
        _await_answer(layout, supervisor, name, getattr(addresses, name), embedded=not getattr(given, name))
        if name in started:
            say(f"{name}: answers")
    if given.clickhouse_reader:
        clickhouse.check(given.clickhouse_reader)
    addresses.write(layout.home)
    return addresses


def _ports(ports: Ports, server: ModuleType, say: Callable[[str], None]) -> dict[str, int]:
    taken = {}
    for name in server.PORTS:
        taken[name], before = ports.take(name)
        if before is not None:
            say(f"{name}: port {before} is in use by another program; moved to {taken[name]}")
    return taken


def _await_answer(layout: Layout, supervisor: Supervisor, name: str, address: str, *, embedded: bool) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    pid = 0
    while True:
        if embedded:
            pid = _still_first(layout, supervisor, name, pid)
        try:
            SERVERS[name].check(address)
        except StackError as error:
            if not embedded:
                raise
            if time.monotonic() > deadline:
                raise StackError(_with_log(layout, name, f"{error.detail} within {_READY_SECONDS:.0f} s")) from error
            time.sleep(0.05)
        else:
            return


def _launch(layout: Layout, supervisor: Supervisor, programs: Sequence[Program], say: Callable[[str], None]) -> None:
    for program in programs:
        supervisor.launch(program)
    for program in programs:
        _await_running(layout, supervisor, program.name)
        say(f"{program.name}: runs")


def _await_running(layout: Layout, supervisor: Supervisor, name: str) -> None:
    pid = 0
    while supervisor.states()[name].state != "RUNNING":
        pid = _still_first(layout, supervisor, name, pid)
        time.sleep(0.05)


def _still_first(layout: Layout, supervisor: Supervisor, name: str, pid: int) -> int:
    """The pid of a program that is starting; StackError once it has ended or was started again."""
    state = supervisor.states()[name]
    if not state.runs or pid not in (0, state.pid):
        raise StackError(_with_log(layout, name, f"{name} ended while it was starting {state.error}".rstrip()))
    return state.pid


def _with_log(layout: Layout, name: str, sentence: str) -> str:
    log = layout.log_of(name)
    return f"{sentence}; the end of its log {log}:\n{tail(log)}"


def _stop(layout: Layout, supervisor: Supervisor, say: Callable[[str], None] = _silent) -> bool:
    ran = supervisor.alive()
    if ran:
        states = supervisor.states()
        pipeline = [name for name in states if name not in SERVERS]
        for names in (pipeline, [name for name in states if name in SERVERS]):
            if names:
                say(f"stopping {', '.join(names)}")
                supervisor.stop_all(names)
        supervisor.shut_down()
        _await_end(supervisor)
    left = leftovers.end(layout.home)
    if layout.socket.parent != layout.run:
        shutil.rmtree(layout.socket.parent, ignore_errors=True)
    if left and not ran:
        say(f"ended {left} processes that ran without their supervisor")
    return ran or bool(left)


def _await_end(supervisor: Supervisor) -> None:
    deadline = time.monotonic() + 10
    while supervisor.alive() and time.monotonic() < deadline:
        time.sleep(0.02)

"""What runs of a stack, with process id, uptime, memory and whether it answers."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.stack.addresses import Addresses
from infra.stack.errors import StackError
from infra.stack.layout import Layout
from infra.stack.stack import SERVERS
from infra.stack.supervisor import State, Supervisor


@dataclass(frozen=True, kw_only=True)
class Part:
    """One server or program. `state` is supervisord's, or `given` for a server that the settings name.

    `seconds` is its uptime, `memory` bytes of it and its children (shared ones counted once), `address` is
    without password. `healthy` says that a server answers or a program runs; if not, `reason` says why.
    """

    name: str
    state: str
    pid: int = 0
    seconds: float = 0.0
    memory: int = 0
    address: str = ""
    healthy: bool
    reason: str = ""
    log: str = ""


def status(home: Path, *, given: Addresses | None = None) -> list[Part]:
    """All parts of the stack at `home`, servers first. A server that is `given` is asked at that address."""
    layout = Layout(home.resolve())
    states = Supervisor(layout).states()
    addresses = asdict(Addresses.read(layout.home) or Addresses())
    others = asdict(given or Addresses())
    parts = []
    for name in SERVERS:
        if others[name]:
            parts.append(_server(name, "given", others[name]))
        else:
            parts.append(_embedded(layout, name, states.get(name), addresses[name]))
    parts += [_program(layout, state) for name, state in states.items() if name not in SERVERS]
    return parts


def _server(name: str, state: str, address: str) -> Part:
    reason = _ask(name, address)
    return Part(name=name, state=state, address=_public(address), healthy=not reason, reason=reason)


def _embedded(layout: Layout, name: str, state: State | None, address: str) -> Part:
    if state is None:
        return Part(name=name, state="STOPPED", healthy=False, reason="does not run")
    reason = _ask(name, address) if state.runs else f"does not run {state.error}".rstrip()
    return _part(layout, state, _public(address), reason)


def _program(layout: Layout, state: State) -> Part:
    return _part(layout, state, "", "" if state.state == "RUNNING" else f"does not run {state.error}".rstrip())


def _part(layout: Layout, state: State, address: str, reason: str) -> Part:
    return Part(
        name=state.name,
        state=state.state,
        pid=state.pid,
        seconds=state.seconds,
        memory=_memory(state.pid),
        address=address,
        healthy=not reason,
        reason=reason,
        log=str(layout.log_of(state.name)),
    )


def _ask(name: str, address: str) -> str:
    try:
        SERVERS[name].check(address)
    except StackError as error:
        return error.detail
    return ""


def _public(address: str) -> str:
    return re.sub(r"(//[^:/@]*):[^@]*@", r"\1@", address)


def _memory(pid: int) -> int:
    if not pid:
        return 0
    try:
        process = psutil.Process(pid)
        return sum(_proportional(p) for p in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return int(process.memory_info().rss)

"""A process manager on its topics: found, checked, and placed into a namespace."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streams.processes
from schemas import Command, Domain, Envelope, Event, Fatal, ProcessNames, Route, envelope_decoder
from streams.group import Group
from streams.process import Input, Process


@dataclass(frozen=True)
class EventSource:
    """An input on its topic: how its records are read."""

    decode: Callable[[bytes], Envelope[Any]]
    key: Callable[[Envelope[Any]], str]
    events: frozenset[type[Event]]


@dataclass(frozen=True)
class Wired:
    """A process with the topics that it reads: events, and the replies of the domains that it commands."""

    process: Process
    names: ProcessNames
    partitions: int
    events: Mapping[str, EventSource]
    replies: frozenset[str]
    commanded: Mapping[type[Command], Domain]

    @property
    def domains(self) -> frozenset[str]:
        """The names of the domains that it reads or commands."""
        return frozenset(
            domain.name for domain in (*(each.domain for each in self.process.inputs), *self.process.commands)
        )

    @property
    def group(self) -> Group:
        """The topics of its app."""
        names = self.names
        return Group(
            key=names.key,
            name=names.app,
            partitions=self.partitions,
            sources=(*self.events, *sorted(self.replies)),
            tables={"state": names.state_topic},
            projection=names.version,
            held=names.held_topic,
            dead_letters=names.dead_letters_topic,
            transactional_id=names.transactional_id,
            trimmed=self.replies,
        )


def find(domains: Mapping[str, Domain], namespace: str = "") -> dict[str, Wired]:
    """All process managers by name, wired to the domains (by name, in the namespace).

    Raises ValueError when a module declares no `PROCESS` or one of another name, and what `wire` raises.
    """
    found = {}
    for name in sorted(m.name for m in pkgutil.iter_modules(streams.processes.__path__)):
        process = getattr(importlib.import_module(f"streams.processes.{name}"), "PROCESS", None)
        if not isinstance(process, Process) or process.name != name:
            raise ValueError(f"streams/processes/{name}.py must declare PROCESS = Process(name={name!r}, ...)")
        found[name] = wire(process, domains, namespace)
    return found


def wire(process: Process, domains: Mapping[str, Domain], namespace: str = "") -> Wired:
    """The process on the topics of these domains. Raises Fatal where they do not fit together."""
    inputs = [(each, domains[each.domain.name]) for each in process.inputs]
    commanded = [domains[each.name] for each in process.commands]
    counts = {domain.name: domain.partitions for domain in (*(domain for _, domain in inputs), *commanded)}
    if len(set(counts.values())) != 1:
        said = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
        raise Fatal(
            f"the domains of the process {process.name} must have one partition count, so that all of a correlation "
            f"key is in one partition: {said}"
        )
    sources = [_source(process, each, domain) for each, domain in inputs]
    if len(dict(sources)) != len(sources):
        raise Fatal(f"two inputs of the process {process.name} are one topic: make them one input")
    return Wired(
        process,
        ProcessNames(name=process.name, version=process.version, namespace=namespace),
        next(iter(counts.values())),
        dict(sources),
        frozenset(domain.replies_topic for domain in commanded),
        {command: domain for domain in commanded for command in domain.commands},
    )


def _source(process: Process, each: Input, domain: Domain) -> tuple[str, EventSource]:
    decode, concerned = envelope_decoder(domain).decode, frozenset(each.events)
    if unknown := concerned - set(domain.events):
        raise Fatal(f"the process {process.name} reads {min(e.__name__ for e in unknown)}, no event of {domain.name}")
    if not each.route:
        return domain.events_topic, EventSource(decode, _partition_key, concerned)
    route = _route(process, domain, each.route)
    missing = concerned - set(route.events) if route.events else set()
    if missing:
        raise Fatal(
            f"the process {process.name} reads {min(e.__name__ for e in missing)}, which the route {route.name} of "
            f"{domain.name} does not have"
        )
    return domain.route_topic(route), EventSource(decode, route.key, concerned)


def _route(process: Process, domain: Domain, name: str) -> Route:
    try:
        return domain.route(name)
    except KeyError:
        raise Fatal(f"the process {process.name} reads a route {name}, which {domain.name} does not have") from None


def _partition_key(envelope: Envelope[Any]) -> str:
    return envelope.partitionkey

"""The `Domain` object: the one source of every durable name and of what a domain consists of."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct

from schemas._personal import personal_fields
from schemas._types import Command, Event, Ticked
from schemas._upcasting import Upcaster, chains

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Aggregate:
    """A table folded from a domain's events; `value` is the type of one row's data. The name is durable."""

    name: str
    value: type[Struct]


@dataclass(frozen=True)
class Route:
    """The same events keyed another way, on a topic of their own, for those who need them in the order of another key.

    `key` gives the key of an event on this route; it must be pure, and never change for a name. With `events`, only
    events of these types are on the route; without, all but `Ticked`. The name is durable.
    """

    name: str
    key: Callable[[Any], str]
    events: tuple[type[Event], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A projection version that goes on beside the domain's newer one, with the aggregates as they were in it."""

    projection: int
    aggregates: tuple[Aggregate, ...]


class Edition(NamedTuple):
    """A build of a projection version: its tables were folded anew from the first event. The first build is 0.

    Build -1 stands for no build: all of that projection were dropped.
    """

    projection: int
    build: int = 0


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A bounded context: its commands, events, aggregates and the names of all that is stored for it.

    `stream_of` gives the stream id of a command. `partition_by` gives the partition key from a stream's first
    event (default: the stream id); it is frozen for the stream from then on. `event_time` gives the instant at
    which an event happened in the world. `partitions` is fixed for a `generation`; a new partition count is a
    new generation. For `command_retention` a command's id is remembered and a retry gives the first answer; None is for
    ever. The topics of commands and of their replies keep records for `intake_retention`. A changed fold is a new
    `projection`; those of `earlier` go on beside it. `namespace` sets apart several installations that share servers.
    `upcasters` bring stored events of older shapes to today's.

    Events that are more than `allowed_lateness` behind the greatest event time so far may come too late for their
    windows. A domain with windows or deadlines lists `Ticked` among its events and says in `tick_after` after how long
    without any event its event time goes on by itself.

    `routes` publish the events keyed another way as well; `Route.key` is called with the envelope.

    `build` is the build of the projection that this object names; `editions` are those that exist of all projections,
    the live one first. They are no declaration: an installation knows them. A projection without any has build 0.
    """

    name: str
    commands: tuple[type[Command], ...]
    events: tuple[type[Event], ...]
    aggregates: tuple[Aggregate, ...]
    stream_of: Callable[[Any], str]
    event_time: Callable[[Any], datetime]
    partition_by: Callable[[Any], str] | None = None
    allowed_lateness: timedelta = timedelta(0)
    command_retention: timedelta | None = None
    intake_retention: timedelta = timedelta(days=7)
    tick_after: timedelta | None = None
    partitions: int = 4
    generation: int = 1
    projection: int = 1
    earlier: tuple[Earlier, ...] = ()
    superseded: bool = field(default=False, repr=False)  # set by `projections` alone
    build: int = 0
    editions: tuple[Edition, ...] = ()
    namespace: str = ""
    upcasters: tuple[Upcaster, ...] = ()
    routes: tuple[Route, ...] = ()

    def __hash__(self) -> int:
        # All fields would be hashed, again and again for what is cached by domain; these tell domains apart.
        return hash((self.name, self.namespace, self.generation, self.projection, self.build))

    def __post_init__(self) -> None:
        for name in (self.name, *(a.name for a in self.aggregates), *(r.name for r in self.routes)):
            if not _NAME.match(name):
                raise ValueError(f"{name!r} is no name for a domain, aggregate or route: use a-z, 0-9 and _")
        if len({route.name for route in self.routes}) != len(self.routes):
            raise ValueError(f"two routes of {self.name} have one name")
        if self.command_retention is not None and self.command_retention <= timedelta(0):
            raise ValueError("command_retention must be longer than nothing; None keeps ids for ever")
        if self.intake_retention < timedelta(minutes=1):
            raise ValueError("intake_retention must be a minute or more, or answers are gone before they are read")
        if self.tick_after is not None:
            if self.tick_after <= timedelta(0):
                raise ValueError("tick_after must be longer than nothing; None makes no ticks")
            if Ticked not in self.events:
                raise ValueError("a domain with tick_after must list schemas.Ticked among its events")
        if self.namespace and not _NAME.match(self.namespace):
            raise ValueError(f"{self.namespace!r} is no namespace: use a-z, 0-9 and _")
        versions = [*(each.projection for each in self.earlier), self.projection]
        if versions != sorted(set(versions)):
            raise ValueError(f"the projections of {self.name} must grow, the newest last, not {versions}")
        chains(self.events, self.upcasters)
        for command in self.commands:
            personal_fields(command)

    @property
    def projections(self) -> "tuple[Domain, ...]":
        """The domain in each of its projection versions, the oldest first, this one last.

        Where editions are known: in each of these, the live one first, then in the versions that have none.
        """
        old = ((each.projection, each.aggregates) for each in self.earlier)
        made = [replace(self, projection=p, aggregates=a, earlier=(), superseded=True) for p, a in old]
        if not self.editions:
            return (*made, self)
        known = {version.projection: version for version in (*made, self)}
        present = [each for each in self.editions if each.projection in known and each.build >= 0]
        there = [known[each.projection].in_build(each.build) for each in present]
        missing = known.keys() - {each.projection for each in self.editions}
        return (*there, *(known[projection].in_build(0) for projection in sorted(missing)))

    @property
    def live(self) -> "Domain":
        """The domain in the version that is queried: the first edition, or the oldest of the declared versions."""
        return self.projections[0]

    def in_build(self, build: int) -> "Domain":
        """The domain in this version alone, in one of its builds."""
        return replace(self, build=build, earlier=(), editions=())

    @property
    def edition(self) -> Edition:
        """Which build of which version the names are of."""
        return Edition(self.projection, self.build)

    @property
    def _version(self) -> str:
        return f"v{self.projection}" + (f"b{self.build}" if self.build else "")

    @property
    def holds_personal(self) -> bool:
        """Whether any field of a command is personal."""
        return any(map(personal_fields, self.commands))

    @property
    def module(self) -> str:
        """Name of the module with this version's folds, and of that with its tables and queries."""
        return f"{self.name}_v{self.projection}" if self.superseded else self.name

    def aggregate(self, name: str) -> Aggregate:
        """The aggregate of that name. Raises KeyError when there is none."""
        for aggregate in self.aggregates:
            if aggregate.name == name:
                return aggregate
        raise KeyError(name)

    def route(self, name: str) -> Route:
        """The route of that name. Raises KeyError when there is none."""
        for route in self.routes:
            if route.name == name:
                return route
        raise KeyError(name)

    def _topic(self, suffix: str) -> str:
        return f"{self.namespace + '.' if self.namespace else ''}{self.name}.{suffix}"

    @cached_property
    def key(self) -> str:
        """The domain's key in Postgres: heads, streams and events carry it."""
        return f"{self.namespace}.{self.name}" if self.namespace else self.name

    @property
    def commands_topic(self) -> str:
        return self._topic("commands")

    @property
    def replies_topic(self) -> str:
        """Answers to the records of the commands topic, keyed with the command id."""
        return self._topic("replies")

    @property
    def command_dead_letters_topic(self) -> str:
        """Records of the commands topic that cannot be read as commands."""
        return self._topic("command_dead_letters")

    @property
    def intake_group(self) -> str:
        """Consumer group of the commands topic."""
        return f"headrace.intake.{self._topic('commands')}"

    def intake_transactional_id(self, partition: int) -> str:
        return f"{self.intake_group}.{partition}"

    @property
    def events_topic(self) -> str:
        return self._topic(f"events.{self.generation}")

    def route_topic(self, route: Route) -> str:
        """The events keyed by the route, with as many partitions as the events topic."""
        return self._topic(f"events.{self.generation}.{route.name}")

    @property
    def checkpoints_topic(self) -> str:
        """Compacted, one partition: the relay's checkpoint of this domain alone."""
        return self._topic(f"checkpoints.{self.generation}")

    @property
    def proofs_topic(self) -> str:
        """One partition: signed checkpoints of the domain's history in Postgres, whatever the generation."""
        return self._topic("proofs")

    def aggregate_topic(self, aggregate: Aggregate) -> str:
        """Changelog of the aggregate's table and at once its public topic; partitions as the events topic."""
        return self._topic(f"{aggregate.name}.{self._version}")

    @property
    def versions_topic(self) -> str:
        """Compacted: the versions of streams that no row carries, as folded; partitions as the events topic."""
        return self._topic(f"stream_versions.{self._version}")

    @property
    def held_topic(self) -> str:
        """Compacted: partition keys that are held because one of their events could not be folded."""
        return self._topic(f"held.{self._version}")

    @property
    def dead_letters_topic(self) -> str:
        return self._topic(f"dead_letters.{self._version}")

    @property
    def relay_transactional_ids(self) -> tuple[str, str]:
        """The two that the relay uses in turn."""
        first = f"headrace.relay.{self._topic(str(self.generation))}"
        return first, f"{first}.turn"

    @property
    def worker_app(self) -> str:
        """Faust app id and consumer group of the folds."""
        return f"headrace.{self._topic(self._version)}"

    def worker_transactional_id(self, partition: int) -> str:
        return f"{self.worker_app}.{partition}"

    def sink_group(self, topic: str) -> str:
        """Consumer group that loads one topic."""
        return f"headrace.sink.{topic}"

    def reload_group(self, topic: str) -> str:
        """Consumer group that loads one topic anew, into tables beside the live ones."""
        return f"{self.sink_group(topic)}.reload"

    @property
    def reload_database(self) -> str:
        """ClickHouse database of events and rollups that are being loaded anew."""
        return f"{self.database}_reload"

    @property
    def database(self) -> str:
        """ClickHouse database of the events and their rollups."""
        return f"{self.namespace}_{self.name}" if self.namespace else self.name

    @property
    def projection_database(self) -> str:
        """ClickHouse database of the aggregates of this build of the projection version."""
        return f"{self.database}_{self._version}"

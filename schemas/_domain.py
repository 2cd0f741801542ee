"""The `Domain` object: the one source of every durable name and of what a domain consists of."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from schemas._types import Command, Event
from schemas._upcasting import Upcaster, chains

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True)
class Aggregate:
    """A table folded from a domain's events; `value` is the type of one row's data. The name is durable."""

    name: str
    value: type[Struct]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A bounded context: its commands, events, aggregates and the names of all that is stored for it.

    `stream_of` gives the stream id of a command. `partition_by` gives the partition key from a stream's first
    event (default: the stream id); it is frozen for the stream from then on. `event_time` gives the instant at
    which an event happened in the world. `partitions` is fixed for a `generation`; a new partition count is a
    new generation. For `command_retention` a command's id is remembered and a retry gives the first answer; None is for
    ever. A changed fold is a new `projection`. `namespace` sets apart several installations that
    share servers. `upcasters` bring stored events of older shapes to today's.
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
    partitions: int = 4
    generation: int = 1
    projection: int = 1
    namespace: str = ""
    upcasters: tuple[Upcaster, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *(a.name for a in self.aggregates)):
            if not _NAME.match(name):
                raise ValueError(f"{name!r} is no name for a domain or aggregate: use a-z, 0-9 and _")
        if self.command_retention is not None and self.command_retention <= timedelta(0):
            raise ValueError("command_retention must be longer than nothing; None keeps ids for ever")
        if self.namespace and not _NAME.match(self.namespace):
            raise ValueError(f"{self.namespace!r} is no namespace: use a-z, 0-9 and _")
        chains(self.events, self.upcasters)

    def aggregate(self, name: str) -> Aggregate:
        """The aggregate of that name. Raises KeyError when there is none."""
        for aggregate in self.aggregates:
            if aggregate.name == name:
                return aggregate
        raise KeyError(name)

    def _topic(self, suffix: str) -> str:
        return f"{self.namespace + '.' if self.namespace else ''}{self.name}.{suffix}"

    @property
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
        return self._topic(f"{aggregate.name}.v{self.projection}")

    @property
    def held_topic(self) -> str:
        """Compacted: partition keys that are held because one of their events could not be folded."""
        return self._topic(f"held.v{self.projection}")

    @property
    def dead_letters_topic(self) -> str:
        return self._topic(f"dead_letters.v{self.projection}")

    @property
    def relay_transactional_id(self) -> str:
        return f"headrace.relay.{self._topic(str(self.generation))}"

    @property
    def worker_app(self) -> str:
        """Faust app id and consumer group of the folds."""
        return f"headrace.{self._topic(f'v{self.projection}')}"

    def worker_transactional_id(self, partition: int) -> str:
        return f"{self.worker_app}.{partition}"

    def sink_group(self, topic: str) -> str:
        """Consumer group that loads one topic."""
        return f"headrace.sink.{topic}"

    @property
    def database(self) -> str:
        """ClickHouse database of the events and their rollups."""
        return f"{self.namespace}_{self.name}" if self.namespace else self.name

    @property
    def projection_database(self) -> str:
        """ClickHouse database of the aggregates of this projection version."""
        return f"{self.database}_v{self.projection}"

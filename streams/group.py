"""The consumer group of one app: its topics, and the membership in it."""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas import Aggregate, Domain

Place = tuple[str, int]  # topic and partition


@dataclass(frozen=True, kw_only=True)
class Group:
    """The topics of one app; all have the same number of partitions.

    The partitions of one number, of all `sources`, belong together: they are assigned, opened, fenced and folded
    together, one chunk after the other, by one transactional producer. `tables` has the changelog of each table, by its
    name. `key` names the app in logs; `name` is its Faust app id and consumer group. `trimmed` are sources whose old
    records are deleted after a while: what is gone is passed over, where it is a fault in others.
    """

    key: str
    name: str
    partitions: int
    sources: tuple[str, ...]
    tables: Mapping[str, str]
    projection: int
    held: str
    dead_letters: str
    transactional_id: Callable[[int], str]
    trimmed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, domain: Domain, aggregates: Sequence[Aggregate]) -> "Group":
        """The group of a domain's folds, whose tables are those of `aggregates` and the versions of streams."""
        return cls(
            key=domain.key,
            name=domain.worker_app,
            partitions=domain.partitions,
            sources=(domain.events_topic,),
            tables={
                **{aggregate.name: domain.aggregate_topic(aggregate) for aggregate in aggregates},
                "stream_versions": domain.versions_topic,
            },
            projection=domain.projection,
            held=domain.held_topic,
            dead_letters=domain.dead_letters_topic,
            transactional_id=domain.worker_transactional_id,
        )


class Member(Protocol):
    """Who commits the offsets of a group."""

    def metadata(self) -> bytes:
        """What `send_offsets_to_transaction` takes."""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Who commits: group, generation, member id and static instance id, as the group's coordinator knows them.

    The coordinator refuses a transaction's offsets from any other generation or member, so a worker that slept
    through a rebalance cannot commit, whatever its producers still believe.
    """

    group: str
    generation: int
    member: str
    instance: str

    def metadata(self) -> bytes:
        """The serialized metadata (CGMDv2) that `send_offsets_to_transaction` takes."""
        ids = b"".join(part.encode() + b"\0" for part in (self.group, self.member))
        return b"CGMDv2:" + struct.pack("=i", self.generation) + ids + b"\0" + self.instance.encode() + b"\0"

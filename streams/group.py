"""Membership in the consumer group, in the form in which librdkafka sends it with a transaction's offsets."""

import struct
from dataclasses import dataclass


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

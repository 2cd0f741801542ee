"""Wire forms of Kafka records: events as CloudEvents 1.0, aggregate rows, control records.

Source: CloudEvents 1.0.2, JSON event format, structured mode; extension attributes are lower-case.
"""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

T = TypeVar("T")

CONTENT_TYPE = ("content-type", b"application/cloudevents+json")
RESERVED_PREFIX = "~"
# Ids of the commands of process managers; no client's id can begin so. They are remembered for ever.
PROCESS_PREFIX = RESERVED_PREFIX + "p:"
WATERMARK_KEY = b"~watermark"
REFOLD_KEY = b"~refold"
# Keys of the records on event topics that are no events. Who has no use for a kind passes it over.
CONTROL_KEYS = frozenset({WATERMARK_KEY, REFOLD_KEY})


class Envelope(Struct, Generic[T], frozen=True, kw_only=True):
    """One event on the wire: record key is the partition key, record value is this in JSON.

    `subject` is the stream id, `sequence` the version in the stream (from 1), `position` the dense number in
    the domain (from 1), `time` the instant of the append, `watermark` the domain's event-time watermark as
    stamped at the append (no event before it will be counted as in time), `hash` the SHA-256 hex digest that
    chains the stream. `data` is the event with its tag `type`.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    sequence: int
    position: int
    partitionkey: str
    hash: str
    correlationid: str
    data: T
    watermark: datetime | UnsetType = UNSET
    causationid: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    specversion: Literal["1.0"] = "1.0"
    datacontenttype: Literal["application/json"] = "application/json"


class Row(Struct, Generic[T], frozen=True):
    """One aggregate row on its topic: record key is the row's key, record value is this in JSON.

    `position` is the last position applied to the row, `epoch` counts its refolds; together they order the
    row's versions. A record without a value removes the row. `partitionkey` is that of its events, where it is not the
    row's key. `version` is the last version of its stream that was applied, on rows of streams.
    """

    position: int
    data: T
    epoch: int = 0
    partitionkey: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


class Control(Struct, frozen=True, kw_only=True):
    """Control record with the key `WATERMARK_KEY`, on event topics and, passed on, on aggregate topics.

    Everything up to `position` (inclusive) that belongs to this partition stands before this record. `time` is
    the append time of that position; `watermark` the event-time watermark there. `closed`, on aggregate topics alone,
    is there while windows that the watermark has reached still wait for their final mark: none that ends by then does.
    """

    position: int
    time: datetime
    watermark: datetime | UnsetType = UNSET
    closed: datetime | UnsetType = UNSET


class Refold(Struct, frozen=True, kw_only=True, tag=True):
    """Control record with the key `REFOLD_KEY`, on the partition of the event topic that has the events of `key`.

    The partition's worker folds the events of that partition key anew from the event store, up to where it is then.
    `id` names the request.
    """

    id: str
    key: str

"""The columns of the archive's files. Only types that every reader of Parquet has."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Domain, event_decoder

_INSTANT = pa.timestamp("us", tz="UTC")

# `partition` is the events topic's, by the domain's partition count then; `event_time` what the domain's code then said
# (null: it could not read the event). `hash` and `digest` are in hex; `digest` is on the last event of each append.
SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("stream", pa.string()),
        ("version", pa.int64()),
        ("type", pa.string()),
        ("partition_key", pa.string()),
        ("partition", pa.int32()),
        ("event_time", _INSTANT),
        ("recorded_at", _INSTANT),
        ("watermark", _INSTANT),
        ("command", pa.string()),
        ("number", pa.int32()),
        ("previous", pa.int64()),
        ("correlation", pa.string()),
        ("traceparent", pa.string()),
        ("hash", pa.string()),
        ("digest", pa.string()),
        ("data", pa.string()),
    ]
)
# Dictionaries and statistics only where they help a reader.
DICTIONARIES = ["type", "stream", "partition_key", "partition", "traceparent"]
STATISTICS = ["position", "stream", "version", "type", "partition_key", "partition", "event_time", "recorded_at"]


class Completed:
    """Adds to events, in the columns of the store, what the archive has besides: partition and event time.

    `partition_of` gives the partition of a key among so many.
    """

    def __init__(self, domain: Domain, partition_of: Callable[[bytes, int], int]) -> None:
        self._domain, self._partition_of = domain, partition_of
        self._decode = event_decoder(domain).decode

    def page(self, events: Any) -> Any:
        """The table with all columns of `SCHEMA`."""
        times = pa.array([self._time(data) for data in events["data"].cast(pa.binary()).to_pylist()], _INSTANT)
        columns = {name: events[name] for name in events.column_names}
        columns |= {"partition": self.partitions(events["partition_key"]), "event_time": times}
        return pa.table({field.name: columns[field.name] for field in SCHEMA}, schema=SCHEMA)

    def partitions(self, keys: Any) -> Any:
        """The partition of each key of a column."""
        coded = pc.dictionary_encode(keys.combine_chunks())
        names = coded.dictionary.cast(pa.binary()).to_pylist()
        count = self._domain.partitions
        return pa.array([self._partition_of(name, count) for name in names], pa.int32()).take(coded.indices)

    def _time(self, data: bytes) -> Any:
        try:
            return self._domain.event_time(self._decode(data))
        except Exception:  # an event that cannot be read is history all the same
            return None

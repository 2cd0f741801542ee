"""The event store: its port (what domains, handler and tests name), and its homes in Postgres and in memory."""

from producers.store.port import (
    MAX_COMMAND_BYTES,
    MAX_EVENT_BYTES,
    SNAPSHOT_EVERY,
    Answer,
    EventStore,
    Guard,
    Head,
    History,
    Loaded,
    NewEvent,
    Outcome,
    Part,
    Recorded,
    Snapshot,
    StoredEvent,
    Write,
)

__all__ = [
    "MAX_COMMAND_BYTES",
    "MAX_EVENT_BYTES",
    "SNAPSHOT_EVERY",
    "Answer",
    "EventStore",
    "Guard",
    "Head",
    "History",
    "Loaded",
    "NewEvent",
    "Outcome",
    "Part",
    "Recorded",
    "Snapshot",
    "StoredEvent",
    "Write",
]

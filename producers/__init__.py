"""The write side: commands are decided, stored as events in Postgres, and relayed to Kafka."""

from producers.decider import Decider, Facts, Needs, On
from producers.handling.handler import CommandHandler
from producers.handling.requests import Receipt, Request
from producers.store import EventStore, Guard
from producers.store.memory import MemoryEventStore
from producers.store.postgres import PostgresEventStore

__all__ = [
    "CommandHandler",
    "Decider",
    "EventStore",
    "Facts",
    "Guard",
    "MemoryEventStore",
    "Needs",
    "On",
    "PostgresEventStore",
    "Receipt",
    "Request",
]

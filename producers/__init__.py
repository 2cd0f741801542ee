"""The write side: commands are decided, stored as events in Postgres, and relayed to Kafka."""

from producers.decider import Decider, Facts, Needs, On
from producers.handler import CommandHandler
from producers.memory import MemoryEventStore
from producers.postgres import PostgresEventStore
from producers.requests import Receipt, Request
from producers.store import EventStore, Guard

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

"""The past of streams, straight from Postgres: any version, any instant, and what lies between."""

from producers.history.differences import MISSING, Change, changes
from producers.history.travel import Difference, Entry, Page, Seen, Traveller

__all__ = ["MISSING", "Change", "Difference", "Entry", "Page", "Seen", "Traveller", "changes"]

"""The past of streams, straight from Postgres: any version, any instant, and what lies between."""

from producers.history.chain import Chains, Recorded
from producers.history.differences import MISSING, Change, changes
from producers.history.travel import Difference, Entry, Page, Seen, Traveller

__all__ = ["MISSING", "Chains", "Change", "Difference", "Entry", "Page", "Recorded", "Seen", "Traveller", "changes"]

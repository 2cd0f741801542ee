"""The past of streams, straight from Postgres: any version, any instant, and what lies between."""

from producers.history.differences import MISSING, Change, changes
from producers.history.keys import KeyEvent, KeyHistory
from producers.history.skips import Skip, Skips
from producers.history.travel import Difference, Entry, Page, Seen, Traveller
from producers.history.whole import WholeHistory

__all__ = [
    "MISSING",
    "Change",
    "Difference",
    "Entry",
    "KeyEvent",
    "KeyHistory",
    "Page",
    "Seen",
    "Skip",
    "Skips",
    "Traveller",
    "WholeHistory",
    "changes",
]

"""Personal values: sealed with a key a subject, opened for the tables, and unreadable for ever once that is erased."""

from producers.erasure.keys import SubjectKeys
from producers.erasure.sealer import Sealer

__all__ = ["Sealer", "SubjectKeys"]

"""A copy of the tree with the club's modules in their places."""

import re
from pathlib import Path

from tests.architecture.source import ROOT
from tests.tree import copied

_PLACES = {
    "club.py": "schemas/club.py",
    "club_rules.py": "producers/domains/club.py",
    "club_folds.py": "streams/domains/club.py",
    "club_tables.py": "sinks/domains/club/__init__.py",
    "club_tables.sql": "sinks/domains/club/tables.sql",
}
_QUERY = "-- Members\n-- All of them.\n\nSELECT member_id, name FROM members FINAL ORDER BY member_id\n"


def plant(copy: Path) -> Path:
    """Copy the tree and put the modules into it."""
    source = ROOT / "tests" / "members"
    texts = {place: (source / name).read_text() for name, place in _PLACES.items()}
    files = {place: re.sub(r"from tests\.members\b", "from schemas", text) for place, text in texts.items()}
    return copied(copy, {**files, "sinks/domains/club/queries/members.sql": _QUERY})

"""Adding a domain needs no edit: four new files in a copy of the tree, and it is served end to end."""

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.stack import Addresses
from tests.architecture.source import PACKAGES, ROOT
from tests.pipeline import Pipeline, environment

FILES = {
    "schemas/notes.py": '''"""Notes that people write down."""

from msgspec import Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Text


class WriteNote(Command, frozen=True, kw_only=True):
    """Write a note."""

    note_id: Id
    text: Text


class NoteWritten(Event, frozen=True, kw_only=True):
    """A note was written."""

    note_id: str
    text: str
    at: Instant


class Note(Struct, frozen=True, kw_only=True):
    """A note as it stands."""

    note_id: str
    text: str
    written_at: Instant


DOMAIN = Domain(
    name="notes",
    commands=(WriteNote,),
    events=(NoteWritten,),
    aggregates=(Aggregate("notes", Note),),
    stream_of=lambda command: command.note_id,
    event_time=lambda event: event.at,
)
''',
    "producers/domains/notes.py": '''"""Notes may be written again and again."""

from typing import Any

from producers.decider import Decider, Facts
from schemas.notes import NoteWritten, WriteNote


def decide(state: str | None, command: WriteNote, facts: Facts) -> tuple[NoteWritten, ...]:
    return (NoteWritten(note_id=command.note_id, text=command.text, at=facts.now),)


def evolve(state: str | None, event: Any) -> str:
    return str(event.text)


DECIDER = Decider(decide, evolve)
''',
    "streams/domains/notes.py": '''"""The newest text of a note."""

from typing import Any

from schemas import Envelope
from schemas.notes import Note, NoteWritten
from streams.fold import Fold, by_stream


def note(value: Note | None, event: NoteWritten, envelope: Envelope[Any]) -> Note:
    return Note(note_id=event.note_id, text=event.text, written_at=event.at)


FOLDS = (Fold("notes", key=by_stream, fold=note),)
''',
    "sinks/domains/notes/__init__.py": '''"""Notes in ClickHouse."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "notes", key="note_id", columns={"text": attrgetter("text"), "written_at": attrgetter("written_at")}
    ),
)
''',
    "sinks/domains/notes/tables.sql": """CREATE TABLE IF NOT EXISTS ${projection}.notes
(
    note_id String,
    text String,
    written_at DateTime64(6, 'UTC'),
    ${row}
)
${replacing}
ORDER BY note_id
${window};
""",
    "sinks/domains/notes/queries/longest.sql": """-- The longest note
-- Which note has the longest text.

SELECT note_id, length(text) AS length FROM notes FINAL ORDER BY length DESC LIMIT 1
""",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages with the files of one more domain; none of the copied files is changed."""
    copy = tmp_path / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        path = copy / name
        assert not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return copy


def test_a_domain_of_four_new_files_is_served_from_command_to_sql(
    tree: Path, servers: Addresses, postgres: str, namespace: str, tmp_path: Path
) -> None:
    addresses = Addresses(
        kafka=servers.kafka,
        postgres=postgres,
        clickhouse=servers.clickhouse,
        clickhouse_reader=servers.clickhouse_reader,
    )
    pipeline = Pipeline(addresses, namespace, tmp_path, tree=tree, domain="notes")
    env = {**environment(addresses, namespace, tmp_path, pipeline.port), "PYTHONPATH": str(tree)}
    subprocess.run([sys.executable, "-m", "infra.cli", "prepare"], cwd=tree, env=env, check=True, timeout=60)
    pipeline.start("relay", "worker", "sink", "api")
    try:
        answer = httpx.post(f"{pipeline.url}/api/notes/", json={"note_id": "n-1", "text": "four new files"})
        assert answer.status_code == 201, answer.text
        fresh = {"consistency": "token", "token": answer.json()["token"], "timeout": 20}
        read = httpx.get(f"{pipeline.url}/api/notes/n-1", params=fresh, timeout=30)
        assert read.json()["data"]["text"] == "four new files", read.text
        longest = httpx.get(f"{pipeline.url}/api/notes/queries/longest", params=fresh, timeout=30)
        assert longest.json()["data"] == [{"note_id": "n-1", "length": 14}], longest.text
    finally:
        pipeline.stop()

"""The archive: what is in it, after whatever kill, and that damage is found."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.dataset as ds
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from infra import archiving
from producers import PostgresEventStore
from producers.history import columns
from producers.history.columns import Columns
from producers.relay.columns import record_values
from producers.relay.partitioner import partition_of
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from schemas import Busy, Domain, Fatal
from sinks.archive.location import Location
from sinks.archive.reading import Archive
from tests.integration.proven import History
from tests.integration.relayed import append, paid_orders
from tests.pipeline import Pipeline
from tests.tampering import Tamperer, tampering
from tests.writes import Writer

Records = dict[int, tuple[bytes, bytes]]
LAST = 70


@pytest.fixture
def history(postgres: str, domain: Domain) -> History:
    """Thirty events in five appends of every kind, and forty of orders."""
    made = History(postgres, domain)
    made.append()
    store = PostgresEventStore(postgres, domain)
    append(store, domain, paid_orders(0, 20))
    store.close()
    return made


@pytest.fixture
def location(tmp_path: Path) -> Location:
    return Location(str(tmp_path / "archive"))


def archived(history: History, location: Location, **also: Any) -> archiving.Outcome:
    return archiving.archive(history.postgres, history.domain, location, **also)


def relayed(history: History) -> Records:
    """Key and value of all records as the relay publishes them, by position."""
    with Source(history.postgres, history.domain) as source:
        _, rows = source.read(Checkpoint())
    return {row.position: (row.key, row.value) for row in rows}


def in_archive(history: History, location: Location, after: int = 0, upto: int = LAST) -> Records:
    """The same from the archive; no position twice."""
    found: Records = {}
    for page in Archive(location, history.domain).pages(after, upto):
        keys, values = page["partition_key"].to_pylist(), record_values(history.domain, page)
        for position, key, value in zip(page["position"].to_pylist(), keys, values, strict=True):
            assert position not in found
            found[position] = (key.encode(), value)
    return found


def test_every_record_comes_back_byte_for_byte_from_files_of_whole_appends(
    history: History, location: Location
) -> None:
    expected = relayed(history)
    first = archived(history, location, until=17)
    assert (first.position, len(first.added)) == (12, 1), "position 17 is within the third append"
    second = archived(history, location)
    assert second.position == len(expected) == LAST
    assert in_archive(history, location) == expected
    assert in_archive(history, location, 5, 14) == {p: expected[p] for p in range(6, 15)}
    assert archived(history, location).added == [], "there was nothing new"
    found = archiving.verify(history.domain, location)
    assert (found.position, found.digest, found.segments) == (LAST, second.digest, 2)
    with Columns(history.postgres, history.domain) as source:
        [*_, page] = source.pages(0, LAST)
        assert page["digest"][-1].as_py() == second.digest


def test_what_text_can_hold_comes_back_as_it_was(history: History, location: Location, domain: Domain) -> None:
    text = rb'{"type":"Made","s":"\" \\ \u0000 \n \t, ,\"\",\\N \r"' + ',"ü":"\U0001f30a\u2028"}'.encode()
    store = PostgresEventStore(history.postgres, domain)
    [outcome] = store.append([Writer(domain).write("s,'1", data=text, key="k,ü", correlation="", traceparent="N")])
    store.close()
    assert outcome.kind == "accepted"
    archived(history, location)
    assert in_archive(history, location, upto=LAST + 1) == relayed(history)
    archiving.verify(domain, location)


def test_events_lie_by_domain_and_day_with_typed_columns(
    history: History, location: Location, domain: Domain, tmp_path: Path
) -> None:
    with tampering(history.postgres, domain) as tamperer:  # as if the first append had been yesterday
        tamperer.run("UPDATE events SET time = time - interval '1 day' WHERE domain = %(domain)s AND position <= 6")
        tamperer.rewrite()
        [(first, last)] = tamperer.run("SELECT min(time), max(time) FROM events WHERE domain = %(domain)s")
    days = (first.astimezone(UTC).date(), last.astimezone(UTC).date())
    assert archived(history, location, until=days[0]).position == 6
    assert archived(history, location, until=days[1] + timedelta(days=1)).position == LAST
    rows = ds.dataset(tmp_path / "archive", partitioning="hive", format="parquet").to_table().to_pylist()
    assert [row["position"] for row in rows] == list(range(1, LAST + 1))
    assert {row["domain"] for row in rows} == {domain.key}
    assert [row["day"] for row in (rows[5], rows[-1])] == [str(day) for day in days]
    assert rows[0]["recorded_at"] == first
    order = rows[30]
    assert (order["type"], order["event_time"]) == ("OrderPlaced", datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert json.loads(order["data"])["type"] == "OrderPlaced"
    assert order["partition"] == partition_of(order["partition_key"].encode(), domain.partitions)
    assert rows[0]["event_time"] is None, "an event that this code cannot read is archived all the same"


@pytest.mark.parametrize("point", ["archive.written", "archive.put", "archive.counted"])
def test_a_killed_run_is_taken_up_with_every_position_once(
    history: History, pipeline: Pipeline, tmp_path: Path, point: str
) -> None:
    place = str(tmp_path / "archive")
    pipeline.start("archive", crash_point=point, options=["orders", "--to", place])
    assert pipeline.running.pop("archive").wait(60) == -9, pipeline.log("archive")
    assert f"crash point {point} reached" in pipeline.log("archive")
    history.append(1)  # so that the next file would end elsewhere
    done = pipeline.run("archive", "orders", "--to", place, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["position"] == LAST + 6
    assert in_archive(history, Location(place), upto=LAST + 6) == relayed(history)
    files = sorted(path for path in (tmp_path / "archive").rglob("*") if path.is_file())
    assert len([path for path in files if path.suffix == ".parquet"]) == (2 if point == "archive.counted" else 1)
    assert not [path for path in files if "_unfinished" in str(path)]


def test_two_processes_never_archive_a_domain_at_once(history: History, location: Location) -> None:
    with Columns(history.postgres, history.domain) as other:
        assert other.lead()
        with pytest.raises(Busy, match="another process archives"):
            archived(history, location)
    archived(history, location)


class _Lingering(Connection):
    """A session of which Postgres has not noticed yet that it was closed."""

    def close(self) -> None:
        pass


def test_an_archiving_that_has_ended_is_in_nobodys_way(
    history: History, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = list[Connection]()

    def lingering(postgres: str) -> Connection:
        sessions.append(psycopg2.connect(postgres, connection_factory=_Lingering))
        sessions[-1].autocommit = True
        return sessions[-1]

    monkeypatch.setattr(columns, "connect", lingering)
    archived(history, location)
    archived(history, location)
    assert len(sessions) == 2


def _swap_hashes(tamperer: Tamperer) -> None:
    tamperer.set(40, hash=b"x" * 32)


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        (lambda t: t.delete(40), "no event of .* at position 40"),
        (lambda t: t.delete(13), "no event of .* at position 13"),
        (_swap_hashes, "does not continue"),
        (lambda t: t.run("UPDATE events SET time = time + interval '1 us' WHERE position = 40"), "does not continue"),
        (lambda t: (t.set(5, stream="b"), t.rewrite()), "does not continue"),
        (lambda t: t.cut(6), "the database ends at position 6"),
    ],
)
def test_a_database_that_does_not_continue_the_archive_is_refused(
    history: History, location: Location, tamper: Callable[[Tamperer], Any], sentence: str
) -> None:
    archived(history, location, until=12)
    with tampering(history.postgres, history.domain) as tamperer:
        tamper(tamperer)
    with pytest.raises(Fatal, match=sentence):
        archived(history, location)
    assert archiving.verify(history.domain, location).position == 12, "what was archived before stays good"


def _other_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _manifests(data: Path) -> list[Path]:
    return sorted((data.parent.parent / "_manifest").iterdir())


def _renumber(data: Path) -> None:
    manifest = _manifests(data)[1]
    manifest.write_bytes(manifest.read_bytes().replace(b'"first":13', b'"first":12'))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_other_byte, "is not the file that was written"),
        (lambda data: data.unlink(), "is not in the archive"),
        (lambda data: _manifests(data)[1].unlink(), "has a gap: positions 13 to 18 are in no file"),
        (lambda data: _manifests(data)[0].unlink(), "has a gap: positions 1 to 12 are in no file"),
        (_renumber, "has position 12 twice"),
    ],
)
def test_damage_to_the_archive_is_found_and_said(
    history: History, location: Location, damage: Callable[[Path], Any], sentence: str
) -> None:
    for until in (12, 18, LAST):
        archived(history, location, until=until)
    damage(sorted(Path(location.url).rglob("positions-13-*.parquet"))[0])
    with pytest.raises(Fatal, match=sentence):
        archiving.verify(history.domain, location)


def test_an_altered_event_is_found_although_file_and_manifest_were_made_to_fit(
    history: History, location: Location
) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(8, data=b'{"type":"Made","n":0}')
    archived(history, location)  # the rolling digest does not cover data but by the events' hashes
    with pytest.raises(Fatal, match=r"the event at position 8 .* is not the one that was appended"):
        archiving.verify(history.domain, location)


def test_the_commands_say_what_is_there_and_what_is_wrong(history: History, pipeline: Pipeline, tmp_path: Path) -> None:
    place = str(tmp_path / "archive")
    archived(history, Location(place))
    [line] = pipeline.run("archive", "list", "orders", "--to", place, "--json").stdout.splitlines()
    assert (json.loads(line)["first"], json.loads(line)["last"]) == (1, LAST)
    good = pipeline.run("archive", "verify", "orders", "--to", place)
    assert (good.returncode, f"{LAST}" in good.stdout) == (0, True), good.stderr
    _other_byte(next(Path(place).rglob("*.parquet")))
    bad = pipeline.run("archive", "verify", "orders", "--to", place, "--json")
    assert (bad.returncode, json.loads(bad.stdout)["rule"]) == (1, "archive-damaged")
    nowhere = pipeline.run("archive", "orders")
    assert nowhere.returncode == 1
    assert "HEADRACE_ARCHIVE" in nowhere.stderr

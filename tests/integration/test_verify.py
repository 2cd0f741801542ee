"""Every way of tampering with stored history is found, and said which; an untouched one is good."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from infra.migrations import migrate
from infra.stack import Addresses
from producers.proof.findings import Finding
from schemas import Domain, NotFound, discover
from tests.conftest import fresh_database
from tests.integration.proven import History
from tests.tampering import Tamperer, tampering


@pytest.fixture
def orders() -> Domain:
    return discover("proof")["orders"]


@pytest.fixture(scope="module")
def untouched(servers: Addresses) -> Iterator[str]:
    """URL of a database with a history of 30 events, to be copied."""
    with fresh_database(servers.postgres) as url:
        migrate(url)
        History(url, discover("proof")["orders"]).append()
        yield url


@pytest.fixture
def history(untouched: str, orders: Domain) -> Iterator[History]:
    with fresh_database(untouched, urlsplit(untouched).path[1:]) as url:
        yield History(url, orders)


def found(history: History, tamper: Callable[[Tamperer], object]) -> Finding:
    """The one finding after somebody tampered with the history."""
    with tampering(history.postgres, history.domain) as tamperer:
        tamper(tamperer)
    report = history.verify()
    assert len(report.findings) == 1
    return report.findings[0]


def place(finding: Finding) -> tuple[str, int | None, str | None, int | None]:
    return finding.kind, finding.position, finding.stream, finding.version


def test_an_untouched_history_is_good_from_any_position_on(history: History) -> None:
    report = history.verify()
    assert (report.findings, report.good, report.head, report.events) == ((), 30, 30, 30)
    assert (report.streams, report.commands) == (12, 20)
    assert [history.verify(since).since for since in (1, 6, 7, 29, 30, 1000)] == [0, 6, 6, 24, 30, 30]
    assert history.verify(9).events == 24


def test_an_empty_domain_is_good(postgres: str, orders: Domain) -> None:
    assert History(postgres, orders).verify().findings == ()


@pytest.mark.parametrize(
    ("position", "stream", "version"), [(1, "a", 1), (8, "a", 4), (9, "b", 2), (27, "b", 5), (30, "other-5", 1)]
)
def test_altered_data_is_found(history: History, position: int, stream: str, version: int) -> None:
    finding = found(history, lambda t: t.set(position, data=b'{"type":"Made","n":0}'))
    assert place(finding) == ("altered-data", position, stream, version)
    assert finding.id


def test_a_row_that_was_rewritten_with_its_hash_is_found(history: History) -> None:
    def rewrite(tamperer: Tamperer) -> None:
        [(right,)] = tamperer.run(
            "SELECT sha256(p.hash || convert_to(concat_ws(E'\\x1f', e.domain, e.stream, e.version, "
            "e.command || ':' || e.number, e.partition_key, ''), 'UTF8') || '{}'::bytea) "
            "FROM events e JOIN events p ON p.domain = e.domain AND p.position = e.previous "
            "WHERE e.domain = %(domain)s AND e.position = 8"
        )
        tamperer.set(8, data=b"{}", hash=right)

    assert place(found(history, rewrite)) == ("altered-data", 8, "a", 4)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stream", "b"),
        ("version", 9),
        ("partition_key", "another"),
        ("command", "another"),
        ("number", 2),
        ("previous", 3),
        ("previous", 0),
        ("type", "Other"),
        ("hash", b"\x01" * 32),
        ("digest", None),
        ("time", "2026-01-01T00:00:00Z"),
        ("watermark", "1999-01-01T00:00:00Z"),
        ("correlation", "another"),
        ("traceparent", "another"),
    ],
)
@pytest.mark.parametrize("position", [7, 13])
def test_altered_metadata_is_found_and_the_column_named(
    history: History, column: str, value: object, position: int
) -> None:
    if column == "digest":
        position += 5
    finding = found(history, lambda t: t.set(position, **{column: value}))
    assert (finding.kind, finding.position) == ("altered-metadata", position)
    assert f"column {column}" in finding.detail


@pytest.mark.parametrize(("column", "value"), [("version", 12), ("partition_key", "another")])
@pytest.mark.parametrize("position", [8, 26])
def test_what_does_not_continue_its_stream_is_found_although_all_hashes_are_right(
    history: History, column: str, value: object, position: int
) -> None:
    def tamper(tamperer: Tamperer) -> None:
        tamperer.put(position, column, value)
        tamperer.rewrite()

    finding = found(history, tamper)
    assert (finding.kind, finding.position) == ("altered-metadata", position)
    assert f"column {column}" in finding.detail


@pytest.mark.parametrize("value", [b"\x00" * 32, b""])
@pytest.mark.parametrize("position", [12, 30])
def test_an_altered_digest_is_found(history: History, value: bytes, position: int) -> None:
    finding = found(history, lambda t: t.set(position, digest=value))
    assert (finding.kind, finding.position) == ("altered-metadata", position)


def test_the_time_of_a_whole_append_is_found(history: History) -> None:
    finding = found(
        history,
        lambda t: t.run(
            "UPDATE events SET time = time + interval '1 microsecond' WHERE domain = %(domain)s "
            "AND position BETWEEN 7 AND 12"
        ),
    )
    assert (finding.kind, finding.position) == ("altered-metadata", 12)
    assert "time" in finding.detail


@pytest.mark.parametrize(
    ("position", "stream", "version"), [(1, "a", 1), (9, "b", 2), (11, "own-2", 2), (26, "a", 10), (27, "b", 5)]
)
def test_a_deleted_row_is_found(history: History, position: int, stream: str, version: int) -> None:
    finding = found(history, lambda t: t.delete(position))
    assert place(finding) == ("deleted-row", position, stream, version)
    assert finding.id


def test_a_deleted_row_is_found_when_the_positions_were_closed_up(history: History) -> None:
    def delete(tamperer: Tamperer) -> None:
        tamperer.delete(9)
        tamperer.shift(9, -1)

    finding = found(history, delete)
    assert (finding.kind, finding.stream) == ("deleted-row", "b")
    assert finding.position == 9


@pytest.mark.parametrize(("one", "other"), [(7, 8), (8, 9), (9, 27), (12, 13), (1, 30)])
def test_two_rows_that_changed_places_are_found(history: History, one: int, other: int) -> None:
    finding = found(history, lambda t: t.swap(one, other))
    assert (finding.kind, finding.position) == ("reordered-rows", one)
    assert str(other) in finding.detail


@pytest.mark.parametrize("like", [3, 9, 14])
@pytest.mark.parametrize("position", [9, 12, 13, 1])
def test_an_inserted_row_is_found(history: History, position: int, like: int) -> None:
    def insert(tamperer: Tamperer) -> None:
        source = like + 1 if like >= position else like
        tamperer.shift(position - 1, 1)
        tamperer.insert(position, source, stream="inserted", version=1, previous=0, command="theirs", digest=None)

    finding = found(history, insert)
    assert place(finding) == ("inserted-row", position, "inserted", 1)
    assert (finding.id or "").startswith("theirs:")


def test_a_row_inserted_beyond_the_head_is_found(history: History) -> None:
    finding = found(history, lambda t: t.insert(31, 30, version=2, previous=30, command="theirs"))
    assert place(finding) == ("inserted-row", 31, "other-5", 2)


@pytest.mark.parametrize("after", [24, 27, 0])
def test_a_cut_tail_is_found(history: History, after: int) -> None:
    finding = found(
        history, lambda t: t.run("DELETE FROM events WHERE domain = %(domain)s AND position > %(after)s", after=after)
    )
    assert (finding.kind, finding.position) == ("tail-cut", after + 1)


def test_a_cut_tail_is_found_when_the_head_was_set_back_but_not_the_streams(history: History) -> None:
    def cut(tamperer: Tamperer) -> None:
        tamperer.run("DELETE FROM events WHERE domain = %(domain)s AND position > 24")
        tamperer.run(
            "UPDATE heads h SET position = 24, digest = e.digest, time = e.time FROM events e "
            "WHERE h.domain = %(domain)s AND e.domain = h.domain AND e.position = 24"
        )

    assert found(history, cut).kind == "tail-cut"


def remove(stream: str, *tables: str) -> Callable[[Tamperer], object]:
    def tamper(tamperer: Tamperer) -> None:
        if "commands" in tables:
            tamperer.run(
                "DELETE FROM commands c USING events e WHERE c.domain = %(domain)s AND e.domain = c.domain "
                "AND e.command = c.command AND e.stream = %(stream)s", stream=stream,
            )  # fmt: skip
        for table in {"events", *tables} - {"commands"}:
            tamperer.run(f"DELETE FROM {table} WHERE domain = %(domain)s AND stream = %(stream)s", stream=stream)

    return tamper


@pytest.mark.parametrize("tables", [(), ("streams",), ("streams", "commands")])
@pytest.mark.parametrize(("stream", "position"), [("a", 1), ("own-2", 10)])
def test_a_removed_stream_is_found(history: History, tables: tuple[str, ...], stream: str, position: int) -> None:
    finding = found(history, remove(stream, *tables))
    assert (finding.kind, finding.position) == ("removed-stream", position)
    assert finding.stream == (None if tables else stream)


def test_a_removed_stream_is_found_when_the_positions_were_closed_up(history: History) -> None:
    def tamper(tamperer: Tamperer) -> None:
        remove("own-2", "streams", "commands")(tamperer)
        tamperer.shift(11, -2)

    finding = found(history, tamper)
    assert (finding.kind, finding.position) == ("removed-stream", 11)


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("altered-head", "UPDATE heads SET digest = sha256(digest)"),
        ("altered-head", "UPDATE heads SET time = time + interval '1 s'"),
        ("altered-head", "DELETE FROM heads"),
        ("tail-cut", "UPDATE heads SET position = position + 1"),
        ("inserted-row", "UPDATE heads SET position = position - 1"),
        ("altered-stream-row", "UPDATE streams SET version = version + 1 WHERE stream = 'b'"),
        ("altered-stream-row", "UPDATE streams SET hash = sha256(hash) WHERE stream = 'b'"),
        ("altered-stream-row", "UPDATE streams SET partition_key = 'x' WHERE stream = 'b'"),
        ("altered-stream-row", "UPDATE streams SET position = 21, version = 4 WHERE stream = 'b'"),
        ("altered-stream-row", "DELETE FROM streams WHERE stream = 'b'"),
        (
            "removed-stream",
            "UPDATE streams SET stream = 'new' WHERE stream = 'b'",
        ),
        ("altered-command-row", "UPDATE commands SET position = position - 1 WHERE command = 'first-2'"),
        ("altered-command-row", "UPDATE commands SET command = 'theirs' WHERE command = 'first-2'"),
    ],
)
def test_altered_rows_beside_the_events_are_found(history: History, kind: str, statement: str) -> None:
    assert found(history, lambda t: t.run(statement)).kind == kind


def test_one_stream_is_verified_alone(history: History) -> None:
    report = history.verify_stream("a")
    assert (report.findings, report.events, report.good) == ((), 10, 26)
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(9, data=b"{}")
    assert history.verify_stream("a").findings == ()
    assert [place(f) for f in history.verify_stream("b").findings] == [("altered-data", 9, "b", 2)]
    with pytest.raises(NotFound, match="no stream x"):
        history.verify_stream("x")


def test_a_row_missing_in_one_stream_is_found(history: History) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.delete(8)
    assert [place(f) for f in history.verify_stream("a").findings] == [("deleted-row", 8, "a", 4)]


def test_what_comes_before_the_start_is_not_looked_at(history: History) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(8, data=b"{}")
    assert history.verify(12).findings == ()
    assert [f.position for f in history.verify(11).findings] == [8]

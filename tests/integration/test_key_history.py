"""The history of a partition key and the skips of its events, from the real store."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from producers import PostgresEventStore
from producers.history import KeyEvent, KeyHistory, Skips
from schemas import Domain, envelope_decoder
from tests.integration.long_streams import PRODUCTS, fill

FIRST = KeyEvent(id="c:1", position=1, stream="p1", version=1, value=b"")


@pytest.fixture
def history(postgres: str) -> Iterator[KeyHistory]:
    made = KeyHistory(postgres, PRODUCTS)
    yield made
    made.close()


@pytest.fixture
def skips(postgres: str) -> Iterator[Skips]:
    made = Skips(postgres, PRODUCTS)
    yield made
    made.close()


def test_the_events_of_a_key_come_in_order_up_to_a_position_as_the_relay_publishes_them(
    postgres: str, history: KeyHistory
) -> None:
    store = PostgresEventStore(postgres, PRODUCTS)
    fill(store, 10_200, "p1")
    fill(store, 30, "p2")
    store.close()
    pages = list(history.events("p1", 0, 1 << 62))
    events = [event for page in pages for event in page]
    assert max(map(len, pages)) <= 1_000
    assert [event.version for event in events] == list(range(1, 10_201))
    assert [event.position for event in events] == sorted(event.position for event in events)
    decode = envelope_decoder(PRODUCTS).decode
    for event in events[::997]:
        envelope = decode(event.value)
        assert (envelope.id, envelope.position, envelope.subject, envelope.sequence, envelope.partitionkey) == (
            *(event.id, event.position, "p1", event.version, "p1"),
        )
    some = [event for page in history.events("p1", 3_100, 3_150) for event in page]
    assert some == [event for event in events if 3_100 < event.position <= 3_150]
    last = [event.position for page in history.events("p2", 10_225, 1 << 62) for event in page]
    assert last == [10_226, 10_227, 10_228, 10_229, 10_230]
    assert list(history.events("nobody", 0, 1 << 62)) == []


def test_a_skip_is_recorded_once_and_cannot_be_taken_back(postgres: str, skips: Skips) -> None:
    with ThreadPoolExecutor(4) as threads:
        events = [KeyEvent(id=f"c:{n % 8}", position=n % 8 + 1, stream="p1", version=1, value=b"") for n in range(16)]
        list(threads.map(lambda event: Skips(postgres, PRODUCTS).add("p1", event, "why", "me"), events))
    found = skips.of()
    assert sorted(skip.event for skip in found) == [f"c:{n}" for n in range(8)]
    assert all(skip.intact for skip in found)
    assert [skip.event for skip in skips.of("p2")] == []
    assert skips.add("p1", FIRST, "another reason", "another").reason == "why", "the first one's record stands"
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.Error, match="only ever added to"):
            cursor.execute("UPDATE skips SET reason = 'another'")
        connection.rollback()


def test_a_record_of_a_skip_that_was_altered_or_removed_is_found(postgres: str, skips: Skips) -> None:
    for number in range(1, 5):
        skips.add("p1", KeyEvent(id=f"c:{number}", position=number, stream="p1", version=1, value=b""), "why", "me")
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE skips DISABLE TRIGGER keep_skips")
        cursor.execute("UPDATE skips SET actor = 'somebody' WHERE number = 1")
        cursor.execute("DELETE FROM skips WHERE number = 3")
    assert [(skip.event, skip.intact) for skip in skips.of()] == [("c:1", False), ("c:2", True), ("c:4", False)]


def test_another_domain_has_no_part_in_it(skips: Skips, postgres: str, domain: Domain) -> None:
    skips.add("p1", FIRST, "why", "me")
    other = Skips(postgres, domain)
    assert other.of() == []
    other.close()

"""An event that cannot be folded holds its partition key; all others go on, and a restart changes nothing of it."""

from decimal import Decimal
from pathlib import Path

import msgspec

from schemas import Domain, Money
from schemas.orders import OrderPaid
from streams.failures import Held
from tests.integration.order_source import START, Publisher, Source, assert_tables_equal_ledger, read, table
from tests.integration.worker_process import Worker, wait_until_folded


def test_a_failing_event_holds_its_key_and_nothing_else(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    unplaced = OrderPaid(order_id="never-placed", amount=Money(Decimal("1.00"), "USD"), at=START)
    publisher.publish([("zoe", source.wrap(unplaced, "never-placed", "zoe", 1))])
    poison = source.position
    publisher.publish([("adam", b'{"id":"not an event","position":2}'), ("eve", b"\xff"), (None, b"no key")])
    after = Source(customers=1, seed=11, position=source.position)
    publisher.publish([("zoe", event.replace(b"customer-0", b"zoe")) for _, event in after.events(50)])
    source.position = after.position
    publisher.publish_all(source, 5_000)
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start()
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)

        held = {m.key(): msgspec.json.decode(m.value() or b"", type=Held) for m in read(kafka, domain.held_topic)}
        assert set(held) == {b"zoe", b"adam", b"eve"}
        assert (held[b"zoe"].position, held[b"zoe"].event_id) == (poison, "never-placed.1")
        assert "before its first event" in held[b"zoe"].error
        assert (held[b"adam"].position, held[b"adam"].event_id) == (2, "not an event")
        letters = {m.key(): m for m in read(kafka, domain.dead_letters_topic)}
        assert {key: letter.value() for key, letter in letters.items() if key != b"zoe"} == {
            b"adam": b'{"id":"not an event","position":2}',
            b"eve": b"\xff",
            None: b"no key",
        }
        headers = dict(letters[b"zoe"].headers() or [])
        assert b"Traceback" in (headers["stack"] or b"")
        assert headers["position"] == str(poison).encode()

        worker.kill()
        after.position = source.position
        publisher.publish([("zoe", event.replace(b"customer-0", b"zoe")) for _, event in after.events(50)])
        source.position = after.position
        publisher.publish_all(source, 500)
        publisher.watermark(source.position)
        worker.start().logged("3 keys held")
        wait_until_folded(kafka, domain, source)
    assert_tables_equal_ledger(kafka, domain, source.ledger)
    assert len(read(kafka, domain.dead_letters_topic)) == 4
    assert "zoe" not in table(kafka, domain.aggregate_topic(domain.aggregate("customers")))

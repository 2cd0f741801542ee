"""The command handler when its store fails, and when too much is asked of it."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from producers import CommandHandler, MemoryEventStore, Receipt, Request
from producers.domains.orders import DECIDER
from producers.http.bulk import BulkExchange
from producers.store import Loaded, Outcome, Write
from schemas import Busy, HeadraceError, Unavailable, encode
from schemas.orders import DOMAIN
from tests.order_commands import pay, place, ship


class FailingStore(MemoryEventStore):
    """Fails as often as told, before or after it has stored the writes."""

    def __init__(self, *, before: int = 0, after: int = 0) -> None:
        super().__init__(DOMAIN)
        self.before = before
        self.after = after

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        if self.before:
            self.before -= 1
            raise Unavailable("down", retry_after=0.01)
        outcomes = super().append(writes)
        if self.after:
            self.after -= 1
            raise Unavailable("no answer", retry_after=0.01)
        return outcomes

    def load(self, after: Mapping[str, int], counters: Sequence[str] = (), claims: Sequence[str] = ()) -> Loaded:
        if self.before:
            raise Unavailable("down", retry_after=0.01)
        return super().load(after, counters, claims)


@pytest.mark.parametrize("generated", [True, False])
def test_a_command_whose_answer_was_lost_is_stored_once_and_gets_its_receipt(generated: bool) -> None:
    store = FailingStore()

    async def main() -> list[Receipt]:
        handler = CommandHandler(DOMAIN, DECIDER, store)
        receipts = [await handler.handle(Request(place(), "a", generated))]
        store.after = 1
        receipts.append(await handler.handle(Request(pay(), "b", generated)))
        receipts.append(await handler.handle(Request(ship(), "c", generated)))
        await handler.close()
        return receipts

    assert [receipt.version for receipt in asyncio.run(main())] == [1, 2, 3]
    assert store.head().position == 3


def test_a_store_that_stays_down_is_told_to_the_client_with_a_time_to_retry() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, FailingStore(before=2))
        with pytest.raises(Unavailable) as caught:
            await handler.handle(Request(place(), "a"))
        assert caught.value.retry_after is not None
        receipt = await handler.handle(Request(place(), "a"))
        assert receipt.version == 1
        await handler.close()

    asyncio.run(main())


def test_patient_submissions_wait_for_the_store_and_keep_their_order() -> None:
    async def main() -> list[list[Receipt | HeadraceError]]:
        handler = CommandHandler(DOMAIN, DECIDER, FailingStore(before=7))
        commands = (place(), pay(), ship())
        submissions = [handler.submit([Request(c, f"id-{n}")], patience=30) for n, c in enumerate(commands)]
        results = await asyncio.gather(*submissions)
        await handler.close()
        return results

    assert all(isinstance(result, Receipt) for results in asyncio.run(main()) for result in results)


def test_patience_has_an_end() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, FailingStore(before=1_000_000))
        with pytest.raises(Unavailable):
            await handler.submit([Request(place(), "a")], patience=0.1)
        await handler.close()

    asyncio.run(main())


def test_a_single_command_fails_at_once_while_patient_ones_wait() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, store := FailingStore(before=1_000_000))
        patient = handler.submit([Request(place(), "a")], patience=30)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(handler.handle(Request(place("o2"), "b")), 5)
        assert not patient.done()
        store.before = 0
        assert isinstance((await patient)[0], Receipt)
        await handler.close()

    asyncio.run(main())


class HeldStore(MemoryEventStore):
    """Appends only once it is let go."""

    def __init__(self) -> None:
        super().__init__(DOMAIN)
        self.go = threading.Event()

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        assert self.go.wait(30)
        return super().append(writes)


def test_too_many_waiting_commands_are_refused_with_a_time_to_retry() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, store := HeldStore())
        waiting = handler.submit([Request(place(f"o{n}"), f"id-{n}") for n in range(20_000)])
        with pytest.raises(Busy) as caught:
            await handler.handle(Request(place("more"), "more"))
        assert (caught.value.status, caught.value.retry_after) == (429, 1.0)
        store.go.set()
        assert len(await waiting) == 20_000
        assert (await handler.handle(Request(place("more"), "more"))).version == 1
        await handler.close()

    asyncio.run(main())


def test_commands_of_too_many_bytes_are_refused_and_room_is_told() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, store := HeldStore())
        waiting = [handler.submit([Request(place(f"o{n}"), f"id-{n}", size=1_000_000)]) for n in range(32)]
        with pytest.raises(Busy):
            await handler.handle(Request(place("more"), "more"))
        room = asyncio.create_task(handler.room())
        await asyncio.sleep(0)
        assert not room.done()
        store.go.set()
        await asyncio.gather(*waiting, room)
        assert not handler.full
        await handler.close()

    asyncio.run(main())


def test_the_bulk_route_reads_nothing_more_while_the_handler_has_enough() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, store := HeldStore())
        others = handler.submit([Request(place(f"o{n}"), f"id-{n}") for n in range(20_000)])
        read, sent = 0, list[bytes]()

        async def receive() -> Any:
            nonlocal read
            read += 1
            body = b'{"command":%b}\n' % encode(place(f"bulk-{read}"))
            return {"type": "http.request", "body": body, "more_body": read < 100}

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        exchange = asyncio.create_task(BulkExchange(handler)(cast(Any, {}), receive, send))
        done, _ = await asyncio.wait([exchange], timeout=0.2)
        assert not done
        assert read == 1
        store.go.set()
        await asyncio.gather(exchange, others)
        assert b"".join(sent).count(b'"receipt"') == 100
        await handler.close()

    asyncio.run(main())


def test_a_caller_that_gives_up_does_not_stop_the_others() -> None:
    async def main() -> None:
        handler = CommandHandler(DOMAIN, DECIDER, store := HeldStore())
        given_up = asyncio.create_task(handler.handle(Request(place(), "a")))
        other = asyncio.create_task(handler.handle(Request(place("o2"), "b")))
        await asyncio.sleep(0)
        given_up.cancel()
        store.go.set()
        assert (await other).version == 1
        await handler.close()
        assert store.head().position == 2

    asyncio.run(main())

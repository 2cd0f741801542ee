"""Two processes transfer money between the same few accounts: no limit is passed, and nothing is made or lost."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.banking import DECIDER
from schemas import discover
from schemas.banking import TransferReceived, TransferSent
from tests.architecture.source import ROOT
from tests.bank import checked, deposit, happened, opened

TRANSFERS = 400


def _start(url: str, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.bank_process", url, "races", name, str(TRANSFERS)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _said(racer: "subprocess.Popen[str]") -> tuple[list[str], bool]:
    """The outcomes of a racer's round, and whether it is ready for another one."""
    assert racer.stdout is not None
    outcomes = list[str]()
    for line in racer.stdout:
        if line == "ready\n":
            return outcomes, True
        outcomes.append(line.strip())
    return outcomes, False


def _race(racers: Sequence["subprocess.Popen[str]"]) -> Counter[str]:
    """Let the racers begin each round together, until all are through; how often each outcome was."""
    outcomes: Counter[str] = Counter()
    while True:
        rounds = [(racer, *_said(racer)) for racer in racers]
        for _, said, _ in rounds:
            outcomes.update(said)
        racers = [racer for racer, _, ready in rounds if ready]
        if not racers:
            return outcomes
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()


def _open(url: str) -> PostgresEventStore:
    """Four accounts with little on them, so that many transfers come to their limit."""
    domain = discover("races")["banking"]
    store = PostgresEventStore(url, domain)

    async def main() -> None:
        handler = CommandHandler(domain, DECIDER, store)
        made = [*(opened(name, 10) for name in "abcd"), *(deposit(name, 30) for name in "abcd")]
        await handler.submit([Request(command, f"{n}") for n, command in enumerate(made)])

    asyncio.run(main())
    return store


def test_racing_transfers_never_pass_a_limit_and_the_books_balance_after_every_event(postgres: str) -> None:
    store = _open(postgres)
    racers = [_start(postgres, name) for name in ("one", "two")]
    said = _race(racers)
    for racer in racers:
        racer.communicate(timeout=120)
    assert [racer.returncode for racer in racers] == [0, 0]
    assert set(said) == {"accepted", "not-enough-available"}, said
    assert said.total() == 2 * TRANSFERS

    events = happened(store)
    books = checked(events)
    kinds = Counter(type(event) for event in events)
    assert kinds[TransferSent] == kinds[TransferReceived] == said["accepted"]
    assert sum(books.balances[name] for name in "abcd") == 120
    racers_of = [event.transfer_id.partition("-")[0] for event in events if isinstance(event, TransferSent)]
    turns = sum(one != other for one, other in pairwise(racers_of))
    assert turns > 10, "they did not race"
    store.close()

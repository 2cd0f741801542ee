"""A history with everything that a history can have, and its verification."""

from copy import deepcopy

from producers import Guard, PostgresEventStore
from producers.proof.checkpoints import Checkpoint
from producers.proof.findings import Report
from producers.proof.reader import Reader
from producers.proof.verification import Verification
from schemas import Domain
from tests.writes import Writer


class History:
    """A domain's events in appends of several commands: refused, guarded, repeated, without events and of many events.

    Each append has two events of stream `a`, one of `b`, two of a stream of its own and one of another in one command.
    """

    def __init__(self, postgres: str, domain: Domain) -> None:
        self.postgres = postgres
        self.domain = domain
        self._writer = Writer(domain)
        self._number = 0

    def at(self, postgres: str) -> "History":
        """The same history in a copy of the database, which goes on by itself."""
        copy = History(postgres, self.domain)
        copy._writer, copy._number = deepcopy(self._writer), self._number
        return copy

    def append(self, appends: int = 5) -> None:
        """Add so many appends of six events each."""
        store = PostgresEventStore(self.postgres, self.domain)
        for _ in range(appends):
            self._number += 1
            n = self._number
            stale = Writer(self.domain).write("own-1", command=f"stale-{n}")
            claim = Guard("claim", f"key-{n}")
            stock = Guard("counter", "stock", 1, 0)
            data = b'{"type":"Made","n":%d}' % n
            writes = [
                self._writer.write("a", events=2, data=data, command=f"first-{n}", correlation="c"),
                self._writer.write("b", guards=(claim, stock), command=f"guarded-{n}"),
                self._writer.write("nothing", events=0),
                self._writer.write(
                    f"own-{n}", events=2, others={f"other-{n}": 1, "a": 0}, command=f"own-{n}", traceparent="00-1-2-01"
                ),
            ]
            kinds = [outcome.kind for outcome in store.append([*writes, *([stale] if n > 1 else [])])]
            assert kinds == ["accepted"] * 4 + (["conflict"] if n > 1 else [])
            again, taken = writes[1], Writer(self.domain).write(f"taken-{n}", guards=(claim,))
            assert store.append([again])[0].kind == "repeated"
            assert store.append([taken])[0].kind == "guarded"
        store.close()

    def verify(self, since: int = 0, checkpoints: tuple[Checkpoint, ...] = ()) -> Report:
        """What the verification says."""
        with Reader(self.postgres, self.domain) as reader:
            return Verification(self.domain, reader).run(since, checkpoints)

    def verify_stream(self, stream: str) -> Report:
        """What the verification of one stream says."""
        with Reader(self.postgres, self.domain) as reader:
            return Verification(self.domain, reader).run_stream(stream)

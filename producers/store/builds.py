"""The builds of a domain's projections: which exist, in what state, and which one is queried."""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from msgspec import Struct

from producers.sql import query
from producers.store.connections import FAULTS, KEEPER, READER, Connections, connect, fault
from producers.store.locks import Locks
from schemas import Conflict, Domain, Edition

State = Literal["folding", "following", "dropping", "dropped"]
# The builds that are kept up to date, by the domain's key, each domain's live one first; build -1 where there is none.
Following = dict[str, tuple[Edition, ...]]


class Build(Struct, frozen=True):
    """One build. Its rows were folded up to position `barrier` before a worker took over.

    `folding`: its rows are being made. `following`: a worker and the sink keep it up to date. `dropping`: its topics
    and tables are being removed; `dropped`: they are. `live`: it is queried, since `actor` switched to it; `former`: it
    was before the last switch. `aggregate` is the one aggregate in which differences may be accepted. `changed` is the
    instant of the last change of its state. `code` is the fingerprint of the code that folds its rows, empty for none.
    """

    projection: int
    build: int
    state: State
    live: bool
    former: bool
    barrier: int
    aggregate: str | None
    actor: str
    began: datetime
    changed: datetime
    code: str = ""

    @property
    def edition(self) -> Edition:
        """Which build of which projection."""
        return Edition(self.projection, self.build)


class Builds:
    """The builds of one domain. Methods block and raise Unavailable when Postgres does not answer."""

    def __init__(self, postgres: str, domain: Domain) -> None:
        self._readers, self._keepers = Connections(postgres, 1, READER), Connections(postgres, 1, KEEPER)
        self._locks = Locks(postgres, 1)
        self._domain = domain

    def close(self) -> None:
        """Close the connections."""
        self._readers.close()
        self._keepers.close()
        self._locks.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts nobody else changes the builds of the domain in this way.

        Raises Conflict when somebody does. It ends with its session, so what a killed process held is free.
        """
        with self._locks.alone(f"headrace rebuild {self._domain.key}") as held:
            if not held:
                raise Conflict(f"another rebuild of {self._domain.name} runs", rule="rebuild-runs")
            yield

    def all(self) -> list[Build]:
        """All builds that were ever recorded, in order."""
        with self._readers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("builds"), {"domain": self._domain.key})
            return [Build(*row) for row in cursor]

    def plan(self, live: Edition, projection: int, barrier: int, aggregate: str | None, code: str = "") -> Edition:
        """Record a new build of a projection, whose rows are folded up to position `barrier` beside the live build.

        Raises Conflict when another one is recorded at this moment.
        """
        values = {"projection": projection, "barrier": barrier, "aggregate": aggregate, "code": code}
        values |= {"live_projection": live.projection, "live_build": live.build}
        with self._keepers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("builds_plan"), {"domain": self._domain.key, **values})
            [(build,)] = cursor.fetchall()
            return Edition(projection, build)

    def move(self, edition: Edition, state: State, *states: State) -> None:
        """Bring a build from one of `states` into another. Raises Conflict when it is in none of them, or live and to
        be dropped.
        """
        values = {"domain": self._domain.key, **edition._asdict(), "state": state, "states": list(states)}
        with self._keepers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("builds_state"), values)
            if not cursor.rowcount:
                raise Conflict(
                    f"build {edition.build} of projection {edition.projection} of {self._domain.name} cannot be "
                    f"{state} now: it is queried, or it is not {' or '.join(states)} any more",
                    rule="build-state",
                )

    def switch(self, former: Edition, edition: Edition, actor: str) -> None:
        """Let `edition` be queried from now on, in place of `former`.

        Raises Conflict when that is not live any more, or the new one not kept up to date.
        """
        values = {"domain": self._domain.key, **edition._asdict(), "actor": actor}
        values |= {f"former_{name}": value for name, value in former._asdict().items()}
        with self._keepers.lend() as connection, connection.cursor() as cursor:
            cursor.execute(query("builds_switch"), values)
            if not cursor.rowcount:
                raise Conflict(
                    f"{self._domain.name} was switched to another build meanwhile, or build {edition.build} of "
                    f"projection {edition.projection} was dropped (`headrace rebuild {self._domain.name} --status`)",
                    rule="build-state",
                )


def watch(postgres: str, stop: Callable[[], bool], seconds: float, tell: Callable[[Following], None]) -> None:
    """Tell of the builds of all domains that are kept up to date, now and at each change, until `stop`.

    `stop` is asked every `seconds`. Blocks. Raises Unavailable when Postgres does not answer.
    """
    try:
        connection = connect(postgres, role=READER)
        try:
            with connection.cursor() as cursor:
                cursor.execute("LISTEN headrace_builds")
                while not stop():
                    connection.notifies.clear()
                    cursor.execute(query("builds_following"))
                    found: dict[str, list[Edition]] = {}
                    for key, projection, build, _ in cursor:
                        found.setdefault(key, []).append(Edition(projection, build))
                    tell({key: tuple(editions) for key, editions in found.items()})
                    for _ in range(_QUIET_ROUNDS):
                        if stop() or select.select([connection], [], [], seconds)[0]:
                            connection.poll()
                            break
        finally:
            connection.close()
    except (*FAULTS, OSError, ValueError) as error:
        raise fault(error, READER) from error


# After so many times without a word it is asked again all the same.
_QUIET_ROUNDS = 20


def following(postgres: str) -> Following:
    """The builds of all domains that are kept up to date, asked once. Raises Unavailable."""
    found: list[Following] = []
    done = threading.Event()

    def tell(known: Following) -> None:
        found.append(known)
        done.set()

    watch(postgres, done.is_set, 0.0, tell)
    return found[0]

"""Rewrites what an erased key had opened: in every table of every version, build and earlier state, files included."""

import time
from collections.abc import Callable, Sequence

from schemas import ERASED, Domain, Fatal, Unavailable, reach
from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from sinks.tables import OPENED

_PAUSE = 0.1
_ROUNDS = 5


class Rewriting:
    """Works over one connection. `patience` is how many seconds one step on one table may take.

    All methods raise Unavailable when the server is away, and what they did may be done again.
    """

    def __init__(self, clickhouse: ClickHouse, domains: Sequence[Domain], patience: float = 3600.0) -> None:
        self._clickhouse = clickhouse
        self._prefixes = ", ".join(f"'{domain.database}'" for domain in domains)
        self._patience = patience

    def tables(self) -> list[str]:
        """The tables that can hold opened values."""
        found = self._clickhouse.execute(statement("opened_tables", prefixes=self._prefixes, opened=OPENED))
        return [table for (table,) in found]

    def count(self, table: str, key: str) -> int:
        """How many rows of the table hold values that the key opened, all versions of a row counted."""
        return self._rows(table, key)[0]

    def erase(self, table: str, key: str) -> int:
        """Put `ERASED` in place of what the key opened, and wait until no file holds it; answers how many rows it was.

        Raises Fatal when the server cannot rewrite the table, or has set parts of it aside.
        """
        rewritten = 0
        for _ in range(_ROUNDS):
            rows, columns = self._rows(table, key)
            if not rows:
                break
            self._rewrite(table, key, columns)
            rewritten += rows
        else:
            raise Unavailable(f"{table} keeps getting rows of the erased key: end old sinks, then run it again")
        reach("erase.rewritten")
        self._drop_old_parts(table)
        return rewritten

    def _rows(self, table: str, key: str) -> tuple[int, list[str]]:
        [(rows, columns)] = self._clickhouse.execute(statement("opened_rows", table=table, key=key, opened=OPENED))
        return rows, columns

    def _rewrite(self, table: str, key: str, columns: Sequence[str]) -> None:
        values = [
            statement("erase_value", column=column, key=key, opened=OPENED, erased=ERASED) for column in sorted(columns)
        ]
        fields = {"table": table, "key": key, "opened": OPENED, "values": ",\n    ".join(values)}
        self._clickhouse.execute(statement("erase_rows", **fields))
        reach("erase.rewriting")

        def done() -> bool:
            [(waiting, reason)] = self._clickhouse.execute(statement("mutations", table=table))
            if reason:
                raise Fatal(f"ClickHouse cannot rewrite {table}: {reason.splitlines()[0]}")
            return not waiting

        self._await(done, f"the rewriting of {table}")

    def _drop_old_parts(self, table: str) -> None:
        """The parts from before a rewriting stay on disk for some minutes, unless they are asked away."""
        self._clickhouse.execute(statement("drop_parts_early", table=table))
        try:
            self._await(lambda: self._cleaned_up(table), f"the removal of old parts of {table}")
        finally:
            self._clickhouse.execute(statement("drop_parts_late", table=table))
        [(aside,)] = self._clickhouse.execute(statement("detached_parts", table=table))
        if aside:
            raise Fatal(
                f"ClickHouse has set {aside} parts of {table} aside (system.detached_parts), which may hold what is to "
                "be erased: look at them, drop them (ALTER TABLE ... DROP DETACHED PART), and run it again"
            )

    def _cleaned_up(self, table: str) -> bool:
        if self._clickhouse.execute(statement("outdated_parts", table=table)) == [(0,)]:
            return True
        self._clickhouse.execute(statement("clean_up", table=table))
        return False

    def _await(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._patience
        while not condition():
            if time.monotonic() > deadline:
                raise Unavailable(f"{what} takes longer than {self._patience:.0f} s; run it again")
            time.sleep(_PAUSE)

"""The engine of one data directory: its sessions, and how a query is started, streamed and killed."""

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chdb.state.sqlitelike import Connection

from infra.clickhouse import repair
from schemas import Fatal

_STREAMED = {"SELECT", "WITH"}
_SKIPPED = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|#!?[^\n]*(?:\n|$)|/\*.*?\*/|\()*", re.DOTALL)
_FORMAT = re.compile(r"\s+FORMAT\s+\w+\s*;?\s*\Z", re.IGNORECASE)
_MOST_KEPT = 100
_ALWAYS = {"output_format_native_write_json_as_string": "1", "print_pretty_type_names": "0"}


def first_word(query: str) -> str:
    """First keyword of a statement in capitals, comments and brackets before it passed over."""
    skipped = _SKIPPED.match(query)
    word = re.match(r"[A-Za-z]+", query[skipped.end() if skipped else 0 :])
    return word[0].upper() if word else ""


def quoted(value: str) -> str:
    """A string literal of ClickHouse's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Engine:
    """Owns a data directory. One process at a time: raises Fatal when another one has it."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._lock = (data / "headrace.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Fatal(f"another process has the data directory {data}; stop it first") from error
        repair.repair(data)
        self.data = data
        self.spool = data / "spool"
        self.spool.mkdir(exist_ok=True)
        for left in self.spool.iterdir():
            shutil.rmtree(left)
        self._main = Session(self)
        self.timezone = self._main.text("SELECT timezone()")

    def close(self) -> None:
        self._main.close()
        self._lock.close()

    def kill(self, tag: str) -> None:
        """Stop the running query that carries the tag, if there is one."""
        rows = self._main.text(f"SELECT query_id FROM system.processes WHERE Settings['log_comment'] = {quoted(tag)}")
        for query_id in rows.split():
            self._main.text(f"KILL QUERY WHERE query_id = {quoted(query_id)} ASYNC")


class Session:
    """One session of the engine: its database, its settings, its temporary tables."""

    def __init__(self, engine: Engine) -> None:
        self._connection = Connection(str(engine.data / "store.d"))
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self.set(_ALWAYS)

    def close(self) -> None:
        self._connection.close()

    def set(self, settings: Mapping[str, str]) -> None:
        """Set settings for the session, in order."""
        if settings:
            self.text("SET " + ", ".join(f"{_name(name)} = {quoted(value)}" for name, value in settings.items()))

    @contextmanager
    def settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Settings for what runs inside, defaults again afterwards."""
        self.set(settings)
        try:
            yield
        finally:
            if settings:
                self.text("SET " + ", ".join(f"{_name(name)} = DEFAULT" for name in settings))

    def text(self, query: str, parameters: Mapping[str, str] | None = None) -> str:
        """The result of a query of our own, tab separated."""
        found = self._connection.query(query, "TabSeparated", params=dict(parameters or {}) or None).bytes()
        return str(found.decode()).removesuffix("\n")

    def reads_only(self, query: str) -> bool:
        """Whether the engine's own parser finds one single statement, and one that only reads.

        Raises the engine's error for what it cannot parse. It knows what no pattern knows: nested comments,
        quoted names, `INTO OUTFILE`.
        """
        found = self._connection._conn.classify_query(query)  # the only way to it in this version
        if not found["statement_count"] and query.strip():
            self.text(f"EXPLAIN AST {query}")
        return bool(found["query_class"].name == "READ_ONLY" and found["statement_count"] == 1)

    def json_lines(self, query: str, *, keep: bool = False) -> list[dict[str, Any]]:
        """The rows of a query of our own, each by its columns' names; with `keep` those of the first time."""
        if query in self._kept:
            return self._kept[query]
        lines = [json.loads(line) for line in self._connection.query(query, "JSONEachRow").bytes().splitlines()]
        if keep and len(self._kept) < _MOST_KEPT:
            self._kept[query] = lines
        return lines

    def describe(self, query: str, parameters: Mapping[str, str]) -> list[tuple[str, str]]:
        """Names and types of the columns of a query that reads; nothing for any other statement."""
        if first_word(query) not in _STREAMED:
            return []
        asked = f"DESCRIBE ({_FORMAT.sub('', query).rstrip().rstrip(';')})"
        found = self._connection.query(asked, "JSONEachRow", params=dict(parameters) or None).bytes()
        return [(row["name"], row["type"]) for row in map(json.loads, found.splitlines())]

    def run(self, query: str, parameters: Mapping[str, str]) -> Iterator[Any]:
        """Results of a query, part by part, each with `bytes()` in `Native`, `rows_read()` and `bytes_read()`."""
        query = _FORMAT.sub("", query)
        given = dict(parameters) or None
        if first_word(query) not in _STREAMED:
            yield self._connection.query(query, "Native", params=given)
            return
        stream: Any = self._connection.send_query(query, "Native", params=given)
        try:
            while (part := stream.fetch()) is not None:
                yield part
                if not part.size():
                    return
        finally:
            stream.close()


def tag() -> str:
    """A fresh tag for a query, by which it can be killed."""
    return f"headrace-{os.getpid()}-{uuid.uuid4().hex}"


def _name(name: str) -> str:
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"{name!r} is no name of a setting")
    return name

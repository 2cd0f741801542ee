"""Who may log in, and what the reader may do. Enforced here and by the engine, never by the client.

The engine cannot create users (chDB), so the log-in is ours. What a reader may do is the engine's own `readonly`
setting, set last in a session that only its one query uses; what that setting lets through is refused here, by the
engine's own parser (its classes of statements, `EXPLAIN AST`) and not by one of ours.
"""

import hmac
import json
import re
from dataclasses import dataclass
from pathlib import Path

from infra.clickhouse.errors import AUTHENTICATION_FAILED, READONLY, ServerError
from schemas import Fatal

READER_LIMITS = {
    "max_execution_time": "30",
    "max_memory_usage": str(2 << 30),
    "max_result_rows": "10000000",
    "max_threads": "2",
}
# Settings that a reader may set for a query; of those with a limit only downwards.
_READER_SETTINGS = {
    *READER_LIMITS,
    "max_block_size",
    "max_result_bytes",
    "max_rows_to_read",
    "max_bytes_to_read",
    "result_overflow_mode",
    "read_overflow_mode",
    "timeout_overflow_mode",
    "final",
    "session_timezone",
    "join_use_nulls",
    "use_query_cache",
}
_READER_STATEMENTS = {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"}
_REFUSED_FUNCTIONS = {"file", "filecluster", "filesystem", "python", "arrowstream"}
# What can be written so that only the engine's parser knows what it is.
_SUSPECT = re.compile(r"file|python|arrowstream|desc|\\", re.IGNORECASE)


@dataclass(frozen=True)
class User:
    """Someone who has logged in."""

    name: str
    reads_only: bool


class Users:
    """The two users of a server, from a file `{"writer": {"name", "password"}, "reader": {...}}`."""

    def __init__(self, file: Path) -> None:
        try:
            known = json.loads(file.read_text())
            self._passwords = {known[role]["name"]: known[role]["password"] for role in ("writer", "reader")}
            self._reader = known["reader"]["name"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Fatal(f"{file} must hold name and password of `writer` and of `reader` in JSON: {error}") from error

    def log_in(self, name: str, password: str) -> User:
        """The user of that name. Raises ServerError (516) when name or password is wrong."""
        known = self._passwords.get(name, "")
        if not hmac.compare_digest(known.encode(), password.encode()) or not known:
            raise ServerError(
                AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return User(name, reads_only=name == self._reader)


def reader_settings(asked: dict[str, str]) -> dict[str, str]:
    """Settings of a reader's query: the limits, and what it asked for. Raises ServerError for what it may not."""
    settings = dict(READER_LIMITS)
    for name, value in asked.items():
        if name not in _READER_SETTINGS:
            raise ServerError(READONLY, f"Cannot modify '{name}' setting in readonly mode.")
        limit = READER_LIMITS.get(name)
        if limit is not None and not (value.isdecimal() and 0 < int(value) <= int(limit)):
            raise ServerError(READONLY, f"Setting {name} must be from 1 to {limit} for this user.")
        settings[name] = value
    return settings


def check_statement(first_word: str, reads_only: bool) -> None:
    """Raise ServerError (164) for a statement that a reader may not send; `reads_only` is the engine's word for it."""
    if first_word not in _READER_STATEMENTS or not reads_only:
        raise ServerError(READONLY, "Cannot execute query in readonly mode: this user may only read.")


def suspect(query: str) -> bool:
    """Whether a reader's query can hold something that must be looked for in its syntax tree before it runs."""
    return _SUSPECT.search(query) is not None


def check_tree(tree: str) -> None:
    """Raise ServerError (164) for the syntax tree (`EXPLAIN AST`) of a query that leaves the engine's own tables.

    That is one that reads files or the server's memory, or that describes a table function, for which the engine
    connects to wherever the function says although it would not run it.
    """
    lines = [words for line in tree.splitlines() if (words := line.split())]
    called = [words[1].lower() for words in lines if words[0] == "Function"]
    for name in _REFUSED_FUNCTIONS.intersection(called):
        raise ServerError(READONLY, f"Cannot execute query in readonly mode: function {name} is not for this user.")
    for index, words in enumerate(lines):
        if words[0] == "DescribeQuery" and any(below[0] == "Function" for below in lines[index + 1 : index + 3]):
            raise ServerError(READONLY, "Cannot execute query in readonly mode: describe a table or a subquery.")

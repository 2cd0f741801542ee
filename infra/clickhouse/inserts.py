"""Inserts whose rows come from the client: they are spooled as they come and loaded by one statement.

Two forms take rows, as on a true server:
`INSERT INTO t (a, b) VALUES` (or `FORMAT Native`), and
`INSERT INTO t (a, b) SELECT a, b FROM input('a UInt8, b String') WHERE ... FORMAT Native`,
whose condition the server checks when it has all rows.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from infra.clickhouse.engine import Session, quoted
from infra.clickhouse.errors import ServerError

_NAME = r"(?:\w+|`[^`]+`|\"[^\"]+\")"
_VALUES = re.compile(
    rf"\s*INSERT\s+INTO\s+(?:TABLE\s+)?(?P<table>{_NAME}(?:\.{_NAME})?)\s*"
    rf"(?P<columns>\((?P<names>[^()]*)\))?\s*(?P<settings>SETTINGS\s.+?)?\s*(?:FORMAT\s+\w+|VALUES)\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_INPUT = re.compile(
    r"(?P<before>\s*INSERT\s+INTO\s.+?\sFROM\s+)input\s*\(\s*'(?P<structure>(?:[^'\\]|\\.)*)'\s*\)"
    r"(?P<after>.*?)\s+FORMAT\s+\w+\s*;?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)
_NO_SUCH_COLUMN = 16
# All rows of one insert become one part, which a token stands for whole.
ONE_BLOCK = {
    "max_insert_threads": "1",
    "max_threads": "1",
    "min_insert_block_size_rows": "4000000000",
    "min_insert_block_size_bytes": "4000000000",
    "max_insert_block_size": "4000000000",
    "input_format_parallel_parsing": "0",
}


@dataclass(frozen=True)
class Insert:
    """An insert that waits for rows: how to ask for its columns, and the statement without the file's name.

    What is answered for a `literal` structure is always the same, and is asked once in a session.
    """

    describe: str
    literal: bool
    names: tuple[str, ...]
    before: str
    after: str

    def columns(self, session: Session) -> list[tuple[str, str]]:
        """Names and types of the columns that the client must send; raises the engine's error or ServerError (16)."""
        lines = session.json_lines(self.describe, keep=self.literal)
        # Clients send JSON as text, which the engine converts; its own form for the wire is not supported here.
        known = {
            c["name"]: c["type"] if c["type"] != "JSON" else "String"
            for c in lines
            if c["default_type"] not in ("MATERIALIZED", "ALIAS")
        }
        for name in self.names:
            if name not in known:
                raise ServerError(_NO_SUCH_COLUMN, f"No such column {name} in the table of: {self.describe}")
        return [(name, known[name]) for name in self.names or known]

    def statement(self, file: Path) -> str:
        """The statement that loads the rows of a file in `Native` format."""
        return f"{self.before}{quoted(str(file))}{self.after}"


def waiting_for_rows(query: str) -> Insert | None:
    """The insert when `query` is one whose rows come from the client, else None."""
    if match := _VALUES.match(query):
        into = f"INSERT INTO {match['table']} {match['columns'] or ''}"
        return Insert(
            describe=f"DESCRIBE TABLE {match['table']}",
            literal=False,
            names=tuple(name.strip().strip('`"') for name in (match["names"] or "").split(",") if name.strip()),
            before=f"{into} FROM INFILE ",
            after=f" {match['settings'] or ''} FORMAT Native",
        )
    if match := _INPUT.match(query):
        structure = f"'{match['structure']}'"
        return Insert(
            describe=f"DESCRIBE (SELECT * FROM null({structure}))",
            literal=True,
            names=(),
            before=f"{match['before']}file(",
            after=f", 'Native', {structure}){match['after']}",
        )
    return None


def one_block(session: Session, file: Path, columns: list[tuple[str, str]]) -> Path:
    """The rows of a file as one block in a file beside it, under the settings ONE_BLOCK.

    The engine's record of a token depends on the number of blocks: one, so that a token is recognised however a
    client cuts its rows.
    """
    whole = file.with_name("whole.native")
    named = ", ".join(f"{_identifier(name)} {spelling}" for name, spelling in columns)
    structure = f"'Native', {quoted(named)}"
    into = f"INSERT INTO FUNCTION file({quoted(str(whole))}, {structure})"
    session.text(f"{into} SELECT * FROM file({quoted(str(file))}, {structure})")
    return whole


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"

"""Pages of any answer: of a named query or of a statement of the caller's, in the order that it ends with."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from schemas import Invalid
from sinks.query.keyset import Bound, Column, Page, column_of, known, mark, page_of
from sinks.query.parameters import whole_number
from sinks.query.reader import Reader, Result

MAX_PAGE, DEFAULT_PAGE = 10_000, 1_000
_REMEMBERED = 1000  # statements whose columns are known
_PLACE = "headrace_place_"
_ORDER_BY = re.compile(r"\bORDER\s+BY\s+", re.IGNORECASE)
_END = re.compile(r"(?P<by>[^()]*?)(?:\s+LIMIT\s+(?P<limit>[^()]*?))?\s*", re.IGNORECASE)
_BY = re.compile(r"(?P<name>\w+)(?:\s+(?P<way>ASC|DESC))?", re.IGNORECASE)
_OWN_LIMIT = re.compile(r"\{limit:UInt\d+\}")


class Ordered(Struct, frozen=True):
    """A statement with the order that it ends with (`-` before a column that goes down; empty: it has none).

    `own_limit`: it ended with the parameter `limit`, which is the size of a page; it is left out of `statement`.
    """

    statement: str
    sort: tuple[str, ...]
    own_limit: bool = False


def ordered(statement: str) -> Ordered | None:
    """The order of a statement; None when that is by something else than columns of the answer."""
    *_, last = [None, *_ORDER_BY.finditer(statement)]
    if last is None or statement.count(")", last.end()) > statement.count("(", last.end()):
        return Ordered(statement, ())  # none, or that of something inside
    found = _END.fullmatch(statement, last.end())
    if found is None:
        return None
    sort = []
    for part in found["by"].split(","):
        by = _BY.fullmatch(part.strip())
        if by is None:
            return None
        sort.append("-" + by["name"] if (by["way"] or "").upper() == "DESC" else by["name"])
    own = _OWN_LIMIT.fullmatch(found["limit"] or "") is not None
    kept = statement[: found.start("limit")].rstrip().removesuffix("LIMIT") if own else statement
    return Ordered(kept.rstrip(), tuple(sort), own)


class Turn(Struct, frozen=True):
    """Which page is asked for; `asked` whether any is, or all rows at once."""

    asked: bool
    limit: int = DEFAULT_PAGE
    cursor: str = ""


def turn_of(of: Ordered | None, asked: dict[str, str]) -> Turn:
    """The turn in the parameters `limit` and `cursor`, which are taken out; `limit` not, where the statement has its
    own. Raises Invalid.
    """
    if of is not None and of.own_limit:
        return Turn("cursor" in asked, cursor=asked.pop("cursor", ""))
    turn = Turn("cursor" in asked or "limit" in asked, cursor=asked.pop("cursor", ""))
    if "limit" not in asked:
        return turn
    return Turn(turn.asked, whole_number(asked.pop("limit"), "limit", 1, MAX_PAGE), turn.cursor)


class Pages:
    """Makes pages of statements; asks for their columns once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._columns: dict[tuple[str, str], dict[str, Column]] = {}

    async def page(self, database: str, of: Ordered | None, values: Mapping[str, Any], limit: int, cursor: str) -> Page:
        """One page of a statement with these values, at most `limit` rows behind the cursor ("": the first ones).

        Rows that are equal in the order are put in order by their other columns. Raises Invalid for a cursor of
        something else, and when there is no order by columns.
        """
        if of is None:
            raise Invalid("pages need an ORDER BY of columns of the answer", rule="no-pages", field="cursor")
        columns = await self._of(database, of.statement, values)
        for name in of.sort:
            known(name.removeprefix("-"), columns, "cursor")
        named = {name.removeprefix("-") for name in of.sort}
        others = (
            column.name
            for column in columns.values()
            if column.scalar and column.name[0] != "-" and column.name not in named
        )
        sort = (*of.sort, *others)
        if not sort:
            raise Invalid("pages need a column with an order", rule="no-pages", field="cursor")
        chosen = mark(of.statement, sorted(values.items()))
        # On a line of its own, or a comment at the end would swallow the bracket.
        made = page_of(f"(\n{of.statement}\n)", columns, sort, limit, cursor, bound=Bound(prefix=_PLACE), of=chosen)
        return Page(made.query, {**values, **made.parameters}, limit, sort, chosen)

    async def _of(self, database: str, statement: str, values: Mapping[str, Any]) -> dict[str, Column]:
        if (database, statement) not in self._columns:
            if len(self._columns) >= _REMEMBERED:
                self._columns.clear()
            found = await self._reader.read(database, f"DESCRIBE TABLE (\n{statement}\n)", values)
            self._columns[database, statement] = {name: column_of(name, spelling) for name, spelling, *_ in found.rows}
        return self._columns[database, statement]


def rows_of(page: Page, result: Result) -> list[dict[str, Any]]:
    """The rows of a page as objects, without their place in the order."""
    names = [name for name, _ in result.columns[: len(result.columns) - len(page.sort)]]
    return [dict(zip(names, row, strict=False)) for row in result.rows[: page.limit]]

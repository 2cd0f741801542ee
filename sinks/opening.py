"""Opens the sealed values of personal columns while rows are loaded, and says in each row whose were opened.

The record of a row holds sealed values alone. What was opened stands in the table only, and the row's column
`opened_with` names the keys, so that erasing a key finds every row that has to be rewritten.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from schemas import ERASED, SEALED, SEALED_BYTES
from sinks.fitting import Column

# What each of some sealed values says; those that are not known stay sealed.
Open = Callable[[Collection[str]], Mapping[str, str]]
# A context in which values may be opened and written: an erasure waits for its end.
Opening = Callable[[], AbstractContextManager[Open]]


class Opener:
    """Opens one table's personal columns; `places` are their indexes in a row by name. Not for several threads.

    From the first value that is asked for until what `held` gives is closed, an erasure waits.
    """

    def __init__(self, opening: Opening, places: Mapping[str, int]) -> None:
        self._opening, self._places = opening, places
        self._held = ExitStack()
        self._open: Open | None = None
        self._texts: Mapping[str, str] = {}

    def read(self, values: Iterable[bytes | None]) -> None:
        """Ask for all that is sealed in the records of a batch, at once."""
        sealed = {found[0].decode() for value in values for found in SEALED_BYTES.finditer(value or b"")}
        if sealed and self._open is None:
            self._open = self._held.enter_context(self._opening())
        self._texts = self._open(sealed) if self._open is not None else {}

    def held(self) -> ExitStack:
        """To be closed when all that was opened is inserted, or never will be; may be in another thread."""
        self._open, self._texts = None, {}
        return self._held.pop_all()

    def open(self, columns: list[Column]) -> list[dict[str, str]]:
        """Open the personal columns in place; answers for each row the keys' ids by column.

        A value that holds texts of several keys stays sealed: it could not be erased for one of them alone.
        """
        opened: list[dict[str, str]] = [{} for _ in columns[0]]
        for name, place in self._places.items():
            columns[place] = [
                self._value(name, value, keys) for value, keys in zip(columns[place], opened, strict=True)
            ]
        return opened

    def _value(self, name: str, value: Any, opened: dict[str, str]) -> Any:
        keys = {found[1] for found in SEALED.finditer(value)} if isinstance(value, str) else ()
        if len(keys) != 1:
            return value
        text = SEALED.sub(lambda found: self._texts.get(found[0], found[0]), value)
        if text not in (value, ERASED):
            [opened[name]] = keys
        return text

"""From the content of a file to lines of the bulk route, each with a command id that is the same at every run."""

from typing import Any, Union

import msgspec

from infra.ingest.source import Item
from schemas import Command, Domain, HeadraceError, Invalid, encode, explained

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOT_THE_COMMANDS = ("id", "expected_version")


class Lines:
    """Makes lines for one file. `fingerprint` identifies its content, `kind` is the command of those that name none.

    Raises Invalid when the domain has no such command.
    """

    def __init__(self, domain: Domain, fingerprint: str, kind: str | None) -> None:
        names = [command.__name__ for command in domain.commands]
        if kind is not None and kind not in names:
            raise Invalid(f"{domain.name} has no command {kind!r}; there are {', '.join(names)}", field="command")
        self._kind = kind
        self._fingerprint = fingerprint
        self._commands: type[Command] = Union[domain.commands]  # type: ignore[assignment]  # a type made at run time
        fields = {name for command in domain.commands for name in command.__struct_fields__}
        self._outer = [name for name in _NOT_THE_COMMANDS if name not in fields]

    def line(self, item: Item) -> bytes | HeadraceError:
        """The line for an item, without a newline, or why there can be none."""
        if isinstance(item.content, HeadraceError):
            return item.content
        if isinstance(item.content, bytes):
            return self._of_json(item.content, item.number)
        try:
            return self._of_row(item.content, item.number)
        except HeadraceError as error:
            return error

    def _id(self, number: int) -> str:
        return f"file:{self._fingerprint}:{number}"

    def _of_json(self, text: bytes, number: int) -> bytes:
        """A bulk line gets an id if it has none, a bare command becomes one; what is neither, the API will refuse."""
        try:
            fields = _OBJECT.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return text.replace(b"\r", b" ")
        if "command" in fields:
            return text if "id" in fields else b'{"id":"%b",%b' % (self._id(number).encode(), text[1:])
        outer: dict[str, Any] = {name: fields.pop(name) for name in self._outer if name in fields}
        outer.setdefault("id", self._id(number))
        if self._kind is not None:
            fields.setdefault("type", msgspec.Raw(encode(self._kind)))
        return encode({**outer, "command": fields})

    def _of_row(self, row: dict[str, Any], number: int) -> bytes:
        """Columns of a table: a dot leads into a field, a number into a list; a cell may hold JSON."""
        cells = {name: value for name, value in row.items() if value is not None}
        outer = {name: cells.pop(name) for name in self._outer if name in cells}
        outer["id"] = str(outer.get("id", self._id(number)))
        if "expected_version" in outer:
            outer["expected_version"] = _number(outer["expected_version"])
        if self._kind is not None:
            cells.setdefault("type", self._kind)
        return encode({**outer, "command": self._command(cells)})

    def _command(self, cells: dict[str, Any]) -> Command:
        try:
            return msgspec.convert(nested(cells), self._commands, strict=False)
        except (msgspec.ValidationError, ArithmeticError):
            pass  # A text that looks like JSON is first taken for a text.
        try:
            return msgspec.convert(nested({n: _parsed(v) for n, v in cells.items()}), self._commands, strict=False)
        except ArithmeticError as error:
            raise Invalid(f"a number cannot be read: {error!r}", rule="invalid-field") from error
        except msgspec.ValidationError as error:
            detail, field = explained(error)
            raise Invalid(detail, rule="invalid-field", field=field) from error


def nested(cells: dict[str, Any]) -> Any:
    """Columns such as `total.amount` or `lines.0.sku` as objects and lists. Raises Invalid when two contradict."""
    tree: dict[str, Any] = {}
    for name, value in cells.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Invalid(f"the column {name} contradicts the column {part}", rule="invalid-field", field=name)
        place[last] = value
    return _lists(tree)


def _lists(tree: Any) -> Any:
    """Objects all whose names are numbers as lists in the order of those."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isdecimal() for name in tree):
        return [_lists(tree[name]) for name in sorted(tree, key=int)]
    return {name: _lists(value) for name, value in tree.items()}


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


def _number(value: Any) -> int:
    try:
        return msgspec.convert(value, int, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid("expected_version must be a number", rule="invalid-field", field="expected_version") from error

"""Which differences are accepted: by name alone."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from schemas import Invalid
from sinks.comparing import Difference

_decoder = msgspec.json.Decoder(list[Difference])


class Accepted:
    """The names that were given: a key, AGGREGATE/KEY, AGGREGATE.COLUMN, or a file of differences (`.json`).

    A difference of a file accepts the same key and column, whatever the values are by now.
    Raises Invalid for a file that cannot be read.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._listed: set[tuple[str, str, str]] = set()
        for name in names:
            if name.endswith(".json"):
                self._listed |= {(each.aggregate, each.key, each.column) for each in read(Path(name))}
            else:
                self._names.add(name)

    def takes(self, found: Difference) -> bool:
        """Whether a difference is accepted."""
        names = {found.key, f"{found.aggregate}/{found.key}", f"{found.aggregate}.{found.column}"}
        # A column that follows from the event that came last differs wherever another one does.
        return not names.isdisjoint(self._names) or (found.aggregate, found.key, found.column) in self._listed


def read(file: Path) -> list[Difference]:
    """The differences in a file that a refused switch has written. Raises Invalid."""
    try:
        return _decoder.decode(file.read_bytes())
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", field="accept") from error
    except msgspec.MsgspecError as error:
        raise Invalid(f"{file} is no list of differences: {error}", field="accept") from error


def write(file: Path, found: Sequence[Difference]) -> None:
    """Write differences as JSON, one a line, for people to look at and for `--accept`."""
    lines = b",\n".join(msgspec.json.encode(each) for each in found)
    file.write_bytes(b"[" + lines + b"]\n")

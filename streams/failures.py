"""What is kept of an event that could not be folded: the held partition key and the dead letter."""

import traceback
from dataclasses import dataclass

import msgspec
from msgspec import Struct

_ERROR_CHARACTERS = 1_000
_STACK_CHARACTERS = 8_000


class Held(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Value on the held topic; the record key is the held partition key.

    `position` (0 when unreadable), `event_id` and `offset` (in the events topic; -1 for one that was read from the
    event store) name the first event of the key that was not applied; `error` says why. `due` is the id of the refold
    that was asked for and is not done yet, `answered` that of the last one, after which the key is still held.
    """

    position: int
    event_id: str
    offset: int
    error: str
    due: str = ""
    answered: str = ""


read_held = msgspec.json.Decoder(Held).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be folded, with its bytes, and the reason. `answered` is as in `Held`."""

    key: bytes | None
    value: bytes | None
    offset: int
    position: int
    event_id: str
    error: str
    stack: str
    answered: str = ""

    def held(self) -> Held:
        """What is noted under the partition key of this letter."""
        return Held(
            position=self.position,
            event_id=self.event_id,
            offset=self.offset,
            error=self.error,
            answered=self.answered,
        )


class _Stub(Struct):
    id: str = ""
    position: int = 0


def dead_letter(key: bytes | None, value: bytes | None, offset: int, error: Exception) -> DeadLetter:
    """The dead letter of a record; finds position and event id also in values that are no valid event."""
    try:
        stub = msgspec.json.decode(value or b"{}", type=_Stub)
    except Exception:  # deep nesting is a RecursionError
        stub = _Stub()
    return DeadLetter(
        key=key,
        value=value,
        offset=offset,
        position=stub.position,
        event_id=stub.id,
        error=_printable("".join(traceback.format_exception_only(error)).strip())[:_ERROR_CHARACTERS],
        stack=_printable("".join(traceback.format_exception(error)))[-_STACK_CHARACTERS:],
    )


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()

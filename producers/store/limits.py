"""What the event store refuses to hold, because something later could not: names and sizes."""

import re

from producers.store import MAX_COMMAND_BYTES, MAX_EVENT_BYTES
from schemas import RESERVED_PREFIX, Refused, TooLarge

# Names stand unescaped in JSON and joined by control characters on their way to the database.
_NAME = re.compile(r'[^\x00-\x1f\x7f"\\]{1,255}\Z')


def check_name(name: str, what: str) -> None:
    """Raise Refused unless `name` may be a stream id or partition key; `what` is which of them."""
    if name.startswith(RESERVED_PREFIX):
        raise Refused(f"a {what} must not begin with {RESERVED_PREFIX}: {name!r}", rule="reserved-name")
    if not _NAME.match(name):
        raise Refused(
            f"a {what} has 1 to 255 characters and no quotes, backslashes or control characters: {name[:300]!r}",
            rule="unusable-name",
        )


def check_event(size: int, total: int) -> None:
    """Raise TooLarge for an event of `size` bytes, or its command's events of `total` bytes, when too large."""
    if size > MAX_EVENT_BYTES:
        raise TooLarge(f"the event has {size} bytes; {MAX_EVENT_BYTES} is the limit", rule="event-too-large")
    if total > MAX_COMMAND_BYTES:
        raise TooLarge(f"the command causes more than {MAX_COMMAND_BYTES} bytes of events", rule="command-too-large")

"""What goes into the command handler and what comes out."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from schemas import Command


class Request(Struct, gc=False):
    """One command to handle.

    `id` is the idempotency key, `generated` says that it is ours and not the client's. `expected_version` is the
    version of the command's stream that the client acts on, `expected_versions` those of further streams. `size` is
    the length of its input in bytes. `retried` says that an earlier attempt ended without an answer: it may have
    been stored. `then` is the state to which a Rollback leads. `sealed` says that the command's personal fields are.
    """

    command: Command
    id: str
    generated: bool = False
    expected_version: int | None = None
    correlation: str | None = None
    traceparent: str | None = None
    size: int = 0
    retried: bool = False
    expected_versions: Mapping[str, int] | None = None
    then: Any = None
    sealed: bool = False


class Receipt(Struct, frozen=True, gc=False):
    """The answer to a command whose events are durable.

    `stream` is the command's own, `version` its version after it; `first_position` and `last_position` are those of
    its events on all streams (left out when it had none), `token` is what a read waits for to see it, `repeated`
    whether an earlier answer is given again.
    """

    command_id: str
    stream: str
    version: int
    token: str
    event_ids: tuple[str, ...]
    first_position: int | UnsetType = UNSET
    last_position: int | UnsetType = UNSET
    repeated: bool | UnsetType = UNSET

"""The contract between all stages: domains, commands, events, wire forms and errors.

Everything here is data and pure functions. This package imports nothing else of ours and connects to
nothing; every other package imports it. A module without a leading underscore declares one domain.
"""

from schemas._codec import (
    command_decoder,
    current_decoder,
    decode_command,
    encode,
    envelope_decoder,
    event_decoder,
    explained,
    row_decoder,
)
from schemas._crashpoints import arm, reach
from schemas._discovery import discover, stage_module
from schemas._documents import Schema, json_schema, json_schemas
from schemas._domain import Aggregate, Domain
from schemas._envelope import (
    CONTENT_TYPE,
    PROCESS_PREFIX,
    RESERVED_PREFIX,
    WATERMARK_KEY,
    Control,
    Envelope,
    Row,
)
from schemas._errors import (
    Busy,
    Conflict,
    Fatal,
    HeadraceError,
    Invalid,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
    VersionMismatch,
)
from schemas._openapi import answer, components, content, parameter, problems, reference
from schemas._types import Command, Event, Id, Instant, Money, Quantity, Text
from schemas._upcasting import Upcaster, tag_of

__all__ = [
    "CONTENT_TYPE",
    "PROCESS_PREFIX",
    "RESERVED_PREFIX",
    "WATERMARK_KEY",
    "Aggregate",
    "Busy",
    "Command",
    "Conflict",
    "Control",
    "Domain",
    "Envelope",
    "Event",
    "Fatal",
    "HeadraceError",
    "Id",
    "Instant",
    "Invalid",
    "Malformed",
    "Money",
    "NotFound",
    "Quantity",
    "Refused",
    "Row",
    "Schema",
    "Text",
    "TooLarge",
    "Unavailable",
    "Upcaster",
    "VersionMismatch",
    "answer",
    "arm",
    "command_decoder",
    "components",
    "content",
    "current_decoder",
    "decode_command",
    "discover",
    "encode",
    "envelope_decoder",
    "event_decoder",
    "explained",
    "json_schema",
    "json_schemas",
    "parameter",
    "problems",
    "reach",
    "reference",
    "row_decoder",
    "stage_module",
    "tag_of",
]

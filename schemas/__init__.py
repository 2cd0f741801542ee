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
from schemas._domain import Aggregate, Domain, Earlier, Edition, Route
from schemas._envelope import (
    CONTENT_TYPE,
    CONTROL_KEYS,
    PROCESS_PREFIX,
    REFOLD_KEY,
    RESERVED_PREFIX,
    WATERMARK_KEY,
    Control,
    Envelope,
    Refold,
    Row,
)
from schemas._errors import (
    Busy,
    Conflict,
    Fatal,
    Gone,
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
from schemas._personal import ERASED, SEALED, SEALED_BYTES, SEALED_PREFIX, personal, personal_fields
from schemas._process import ProcessNames
from schemas._types import Command, Country, Event, Id, Instant, Money, Quantity, Text, Ticked
from schemas._upcasting import Upcaster, tag_of

__all__ = [
    "CONTENT_TYPE",
    "CONTROL_KEYS",
    "ERASED",
    "PROCESS_PREFIX",
    "REFOLD_KEY",
    "RESERVED_PREFIX",
    "SEALED",
    "SEALED_BYTES",
    "SEALED_PREFIX",
    "WATERMARK_KEY",
    "Aggregate",
    "Busy",
    "Command",
    "Conflict",
    "Control",
    "Country",
    "Domain",
    "Earlier",
    "Edition",
    "Envelope",
    "Event",
    "Fatal",
    "Gone",
    "HeadraceError",
    "Id",
    "Instant",
    "Invalid",
    "Malformed",
    "Money",
    "NotFound",
    "ProcessNames",
    "Quantity",
    "Refold",
    "Refused",
    "Route",
    "Row",
    "Schema",
    "Text",
    "Ticked",
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
    "personal",
    "personal_fields",
    "problems",
    "reach",
    "reference",
    "row_decoder",
    "stage_module",
    "tag_of",
]

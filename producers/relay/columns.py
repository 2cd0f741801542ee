"""From events in columns (Apache Arrow) to the records of the events topic: the very bytes that the relay publishes."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from producers.relay.records import ENVELOPE
from schemas import Domain

_PARTS = [part.decode() for part in ENVELOPE.split(b"%b")]


def record_values(domain: Domain, events: Any) -> list[bytes]:
    """The values of the records of these events, in their order. `events` is a table or batch with the columns of
    `producers.history.columns.Columns`."""
    command = events["command"]
    traced = pc.binary_join_element_wise(',"traceparent":"', events["traceparent"], '"', "")
    fields = [
        command, _text(events["number"]), f"headrace/{domain.key}", events["type"], events["stream"],
        _instant(events["recorded_at"]), _text(events["version"]), _text(events["position"]), events["partition_key"],
        events["hash"], pc.coalesce(events["correlation"], command), events["data"], _instant(events["watermark"]),
        command, pc.coalesce(traced, ""),
    ]  # fmt: skip
    pieces: list[Any] = [_PARTS[0]]
    for field, part in zip(fields, _PARTS[1:], strict=True):
        pieces += [field, part]
    made: list[bytes] = pc.binary_join_element_wise(*pieces, "").cast(pa.binary()).to_pylist()
    return made


def _text(numbers: Any) -> Any:
    return numbers.cast(pa.string())


def _instant(instants: Any) -> Any:
    """RFC 3339 as `producers.relay.records` has it: without the zeros that end a fraction."""
    text = pc.strftime(instants, "%Y-%m-%dT%H:%M:%S", locale="C")
    return pc.binary_join_element_wise(pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), "Z", "")

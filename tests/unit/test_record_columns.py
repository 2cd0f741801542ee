"""Records made from columns are the bytes that the relay makes from rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import example, settings
from hypothesis import given as for_all
from hypothesis import strategies as st

from producers.relay.columns import record_values
from producers.relay.records import Rows
from schemas import Domain, discover, encode

DOMAIN: Domain = discover("t")["orders"]
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
_INSTANT = pa.timestamp("us", tz="UTC")

COPIED = (
    "position", "partition_key", "stream", "version", "type", "recorded_at", "watermark", "hash", "digest", "command",
    "number", "correlation", "traceparent", "data",
)  # fmt: skip

names = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), min_size=1, max_size=8)
instants = st.integers(0, 3_000 * 366 * 86_400_000_000).map(lambda each: EARLIEST + timedelta(microseconds=each))
rounded = instants.map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000))
rows = st.fixed_dictionaries(
    {
        "position": st.integers(1, 2**63 - 1),
        "partition_key": names,
        "stream": names,
        "version": st.integers(1, 2**40),
        "type": names,
        "recorded_at": instants | rounded,
        "watermark": instants | rounded,
        "hash": st.binary(min_size=32, max_size=32).map(bytes.hex),
        "digest": st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex),
        "command": names,
        "number": st.integers(1, 9_999),
        "correlation": st.none() | names,
        "traceparent": st.none() | names,
        "data": st.dictionaries(names, st.text(max_size=8), max_size=3).map(lambda each: encode(each).decode()),
    }
)


def copied(row: dict[str, Any]) -> bytes:
    """The row as COPY TO writes it, and Postgres its instants."""

    def field(value: Any) -> str:
        if value is None:
            return "\\N"
        if isinstance(value, datetime):
            text = f"{value.replace(tzinfo=None):%Y-%m-%d %H:%M:%S.%f}".rstrip("0").rstrip(".") + "+00"
            return text.rjust(len(text) + 4 - text.index("-"), "0")
        return str(value).replace("\\", "\\\\")

    return "\t".join(field(row[name]) for name in COPIED).encode() + b"\n"


@settings(deadline=None, max_examples=60)
@for_all(given=st.lists(rows, min_size=1, max_size=4))
@example(given=[])
def test_records_from_columns_are_those_from_rows(given: list[dict[str, Any]]) -> None:
    schema = [("recorded_at", _INSTANT), ("watermark", _INSTANT), ("number", pa.int32())]
    schema += [(name, pa.int64()) for name in ("position", "version")]
    texts = ("partition_key", "stream", "type", "hash", "digest", "command", "correlation", "traceparent", "data")
    schema += [(name, pa.string()) for name in texts]
    table = pa.Table.from_pylist(given, pa.schema(schema))
    assert record_values(DOMAIN, table) == [row.value for row in Rows(DOMAIN).parse([copied(row) for row in given])]

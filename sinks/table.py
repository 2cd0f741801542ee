"""What a domain says of its aggregates' tables: how a row's value becomes columns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """The ClickHouse table of one aggregate.

    `key` is the column that holds the record's key; `columns` gives every other column's value from the
    aggregate's value. The columns of the engine (position, version, Kafka's offset ...) are not named here.

    `personal` are the columns whose sealed values are opened when a row is loaded; they must be of type String, or
    Nullable(String). In every other column a sealed value stays sealed.
    """

    aggregate: str
    key: str
    columns: Mapping[str, Callable[[Any], Any]]
    personal: tuple[str, ...] = ()

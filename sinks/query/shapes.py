"""Values as they are answered: exact decimals, as text, with their scale, which the client library drops."""

import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from functools import cache
from typing import Any

_DECIMAL = re.compile(r"Decimal\(\d+, (\d+)\)")
# ClickHouse's widest decimals have 76 digits.
_EXACT = Context(prec=100)


@cache
def shape(spelling: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What makes a column of a type answerable, by the type's spelling."""
    scales = [int(scale) for scale in _DECIMAL.findall(spelling)]
    if not scales:
        return lambda column: column
    unit = Decimal(1).scaleb(-max(scales))

    def exact(value: Any) -> Any:
        if isinstance(value, Decimal):
            return format(value.quantize(unit, context=_EXACT), "f")
        if isinstance(value, dict):
            return {key: exact(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [exact(each) for each in value]
        return value

    return lambda column: [exact(value) for value in column]

"""Values as they are answered: exact decimals keep their scale, which the client library drops."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

_DECIMAL = re.compile(r"Decimal\(\d+, (?P<scale>\d+)\)")


@cache
def shape(spelling: str) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What makes a column of a type answerable, by the type's spelling."""
    found = _DECIMAL.search(spelling)
    if found is None:
        return lambda column: column
    scale = Decimal(1).scaleb(-int(found["scale"]))

    def exact(value: Any) -> Any:
        if isinstance(value, Decimal):
            return value.quantize(scale)
        if isinstance(value, dict):
            return {key: exact(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [exact(each) for each in value]
        return value

    return lambda column: [exact(value) for value in column]

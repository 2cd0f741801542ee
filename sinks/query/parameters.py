"""The parameters of a query string."""

from typing import Any

from litestar import Request

from schemas import Invalid


def nothing_else(asked: dict[str, str]) -> None:
    """Raise Invalid for a parameter that nobody has taken out."""
    for name in asked:
        raise Invalid(f"there is no parameter {name!r} here", rule="unknown-parameter", field=name)


def asked_of(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The parameters of a query string. Raises Invalid for one that is given twice."""
    asked: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in asked:
            raise Invalid(f"parameter {name!r} is given twice", rule="invalid-parameter", field=name)
        asked[name] = value
    return asked


def whole_number(text: str, name: str, least: int, most: int) -> int:
    """The number in a parameter. Raises Invalid, naming it, when it is none or out of range."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise Invalid(f"{name} must be a number from {least} to {most}", rule="invalid-parameter", field=name)
    return int(text)

"""What the OpenAPI document says of answers."""

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from producers.http.problems import MEDIA_TYPE, Problem


def answer(body: type[msgspec.Struct], description: str) -> dict[int, ResponseSpec]:
    """A good answer, and the problems: an unknown stream or version, bad input, a server that is busy or away."""
    return {
        200: ResponseSpec(body, description=description, generate_examples=False),
        404: _problem("No such stream or version; the current version is named"),
        422: _problem("Something in the input does not fit"),
        429: _problem("Too much is under way; send it again later"),
        503: _problem("PostgreSQL does not answer; send it again later"),
    }


def _problem(description: str) -> ResponseSpec:
    """A problem document."""
    return ResponseSpec(Problem, description=description, media_type=MEDIA_TYPE, generate_examples=False)

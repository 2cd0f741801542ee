"""What the OpenAPI document says of answers."""

import msgspec
from litestar.openapi.datastructures import ResponseSpec

from producers.http.problems import MEDIA_TYPE, Problem


def answer(body: type[msgspec.Struct], description: str) -> dict[int, ResponseSpec]:
    """A good answer, and the problems of an unknown stream or version and of bad input."""
    return {
        200: ResponseSpec(body, description=description, generate_examples=False),
        404: problem_response("No such stream or version; the current version is named"),
        422: problem_response("Something in the input does not fit"),
    }


def problem_response(description: str) -> ResponseSpec:
    """A problem document."""
    return ResponseSpec(Problem, description=description, media_type=MEDIA_TYPE, generate_examples=False)

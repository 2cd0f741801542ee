"""Asks the running API."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from schemas import HeadraceError, Invalid, Unavailable

_SECONDS = 60.0


@dataclass(frozen=True)
class Question:
    """What goes with each statement: domain, values of parameters, limits and the page, and the wish for freshness."""

    domain: str | None
    parameters: Mapping[str, str]
    limits: Mapping[str, Any]
    wished: Mapping[str, str]

    def body(self, text: str) -> dict[str, Any]:
        """The request for a statement."""
        return {"sql": text, "domain": self.domain, "parameters": dict(self.parameters), **self.limits}


class Api:
    """The SQL routes of the API at `url`. A context manager. Methods raise Unavailable when it does not answer, and
    Invalid with its sentence when it refuses. `say` gets a sentence while tables of the past are being made.
    """

    def __init__(self, url: str, say: Callable[[str], None] = lambda _: None) -> None:
        self._url, self._say = url, say
        self._http = httpx.Client(base_url=url, timeout=_SECONDS)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def rows(self, text: str, question: Question) -> dict[str, Any]:
        """The rows of a statement, and how fresh they are."""
        found: dict[str, Any] = json.loads(b"".join(self.stream(text, question, "application/json")))
        if "error" in found:
            raise HeadraceError(found["error"]["detail"], rule=found["error"]["rule"])
        return found

    def stream(self, text: str, question: Question, accept: str) -> Iterator[bytes]:
        """The rows in a form, as they come. Waits while the tables of the past are being made."""
        while True:
            try:
                yield from self._stream(text, question, accept)
                return
            except Unavailable as error:
                if error.rule != "being-made":
                    raise
                self._say(error.detail)
                time.sleep(error.retry_after or 1.0)

    def _stream(self, text: str, question: Question, accept: str) -> Iterator[bytes]:
        try:
            with self._http.stream(
                "POST", "/api/sql", json=question.body(text), params=dict(question.wished), headers={"Accept": accept}
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer)
                yield from answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._away(error) from error

    def preview(self, text: str, question: Question) -> dict[str, Any]:
        """What the statement would read."""
        return self._json("POST", "/api/sql/preview", json=question.body(text))

    def tables(self) -> list[dict[str, Any]]:
        """The tables that can be read, with their columns."""
        return list(self._json("GET", "/api/sql/tables")["data"])

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise self._away(error) from error
        if answer.status_code != 200:
            raise _refusal(answer)
        return dict(answer.json())

    def _away(self, error: httpx.HTTPError) -> HeadraceError:
        if isinstance(error, httpx.RemoteProtocolError):
            return HeadraceError("the answer was cut off in its middle: what came of it is not whole")
        return Unavailable(f"the API at {self._url} does not answer ({error}): start it with `headrace up`")


def _refusal(answer: httpx.Response) -> HeadraceError:
    try:
        problem = answer.json()
        detail, rule, field = problem["detail"], problem.get("rule", ""), problem.get("field", "")
    except (ValueError, KeyError):
        return HeadraceError(f"the API answers with status {answer.status_code}")
    return Invalid(detail, rule=rule, field=field) if answer.status_code < 500 else Unavailable(detail, rule=rule)

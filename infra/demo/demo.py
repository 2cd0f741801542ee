"""What a demo is: its input, the commands made of it, the questions, and an independent pass that knows the answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from rich.console import RenderableType

from schemas import Command

Input = TypeVar("Input")
# A command, its id, and the name of the domain that it goes to.
Fed = tuple[str, str, Command]
Rows = list[dict[str, Any]]


class Ask(Protocol):
    """Asks a named query of a domain for its rows, which contain everything that the demo has sent."""

    def __call__(self, domain: str, query: str, **parameters: Any) -> Rows: ...


@dataclass(frozen=True, kw_only=True)
class Until:
    """Among commands: what follows is fed once `done` says so of the rows of a named query."""

    domain: str
    query: str
    done: Callable[[Rows], bool]


@dataclass(frozen=True, kw_only=True)
class Demo(Generic[Input]):
    """A demo, declared as `DEMO = Demo(name="NAME", ...)` in `infra/demo/domains/NAME.py`.

    - `title`: one sentence, for the list of demos; it says so when the input is synthetic.
    - `domains`: the names of the domains that must be served.
    - `read()`: the input, from a file or from a generator with a fixed seed; `opening(input)`: a sentence on it.
    - `commands(input)`: the commands in their order, with ids that are the same in every run, all to be accepted; where
      something must have happened before the next, an `Until`.
    - `ask(ask)`: the answers of SQL; `expected(input)`: the same by a pass over the input that knows nothing of the
      pipeline. Both are of JSON's types, and are compared for equality.
    - `show(found)`: what is printed of the answers; `verdict`: the sentence when both are equal.
    - `next`: further commands to try; `{url}` is the address of the API.
    """

    name: str
    title: str
    domains: tuple[str, ...]
    read: Callable[[], Input]
    opening: Callable[[Input], str]
    commands: Callable[[Input], Iterable[Fed | Until]]
    ask: Callable[[Ask], dict[str, Any]]
    expected: Callable[[Input], dict[str, Any]]
    show: Callable[[Mapping[str, Any]], RenderableType]
    verdict: str
    next: tuple[str, ...] = ()

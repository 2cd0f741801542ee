"""Tells whether states were made by the code that runs now."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib.util import resolve_name
from types import ModuleType
from typing import Any

import msgspec

from producers.decider import Decider
from schemas import Domain


def fingerprint(domain: Domain, decider: Decider) -> bytes:
    """32 bytes that change when the code does which turns stored events into states: the modules of `evolve`, of the
    events and of their upcasters, what these import of the same top-level packages, the JSON Schema of the state, and
    the decider's revision.
    """
    sources = sorted(inspect.getsource(module) for module in modules_of(domain, decider))
    schema = msgspec.json.encode(msgspec.json.schema(decider.state), order="sorted")
    return blake2b(msgspec.msgpack.encode((sources, schema, decider.revision)), digest_size=32).digest()


def modules_of(domain: Domain, decider: Decider) -> set[ModuleType]:
    """The modules on which states rest."""
    return modules_behind(decider.evolve, *domain.events, *[upcaster.change for upcaster in domain.upcasters])


def modules_behind(*parts: Any) -> set[ModuleType]:
    """The modules of these functions, classes or modules, and what they import of the same top-level packages."""
    waiting = [module for part in parts if (module := inspect.getmodule(part)) is not None]
    packages = {module.__name__.partition(".")[0] for module in waiting}
    found: set[ModuleType] = set()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [part for part in _imported(module) if part.__name__.partition(".")[0] in packages]
    return found


def _imported(module: ModuleType) -> Iterator[ModuleType]:
    for name in _names(module):
        if name in sys.modules and getattr(sys.modules[name], "__file__", None):
            yield sys.modules[name]


@cache
def _names(module: ModuleType) -> list[str]:
    """Of what a module imports; not all are modules. Kept, since all domains rest on the same few modules."""
    names = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), module.__package__)
            names += [base, *[f"{base}.{alias.name}" for alias in node.names]]
    return names

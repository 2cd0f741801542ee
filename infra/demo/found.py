"""Finds the demos: each module of `infra.demo.domains` declares one."""

import importlib
import pkgutil
from typing import Any

from infra.demo import domains
from infra.demo.demo import Demo
from schemas import Invalid


def demos() -> dict[str, Demo[Any]]:
    """All demos by name. Raises ValueError when a module declares no `DEMO` or one of another name."""
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(domains.__path__)):
        demo = getattr(importlib.import_module(f"{domains.__name__}.{name}"), "DEMO", None)
        if not isinstance(demo, Demo) or demo.name != name:
            raise ValueError(f"infra/demo/domains/{name}.py must declare DEMO = Demo(name={name!r}, ...)")
        found[name] = demo
    return found


def demo_of(name: str) -> Demo[Any]:
    """The demo of that name. Raises Invalid when there is none."""
    known = demos()
    if name not in known:
        raise Invalid(f"there is no demo {name!r}; there are {', '.join(known)}", field="name")
    return known[name]

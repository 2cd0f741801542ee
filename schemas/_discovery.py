"""Finds the domains: every module of this package without a leading underscore declares one as `DOMAIN`."""

import dataclasses
import importlib
import pkgutil
from types import ModuleType

import schemas
from schemas._domain import Domain


def discover(namespace: str = "") -> dict[str, Domain]:
    """All domains by name, placed into `namespace`.

    Raises ValueError when a module declares no `DOMAIN` or one of another name; an import error goes through.
    """
    found = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(schemas.__path__)):
        if module.startswith("_"):
            continue
        domain = getattr(importlib.import_module(f"schemas.{module}"), "DOMAIN", None)
        if not isinstance(domain, Domain) or domain.name != module:
            raise ValueError(f"schemas/{module}.py must declare DOMAIN = Domain(name={module!r}, ...)")
        found[module] = dataclasses.replace(domain, namespace=namespace)
    return found


def stage_module(stage: str, domain: Domain) -> ModuleType:
    """The module of `domain` in a stage (`producers`, `streams` or `sinks`). Raises ImportError if it is missing."""
    return importlib.import_module(f"{stage}.domains.{domain.name if stage == 'producers' else domain.module}")

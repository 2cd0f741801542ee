"""A copy of the tree with the shop's domains and its process manager in their places."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from schemas import Domain
from streams.wiring import Wired, wire
from tests.architecture.source import ROOT
from tests.saga import deliveries, payments, shop
from tests.saga.fulfilment import PROCESS
from tests.tree import copied

NAMES = ("shop", "payments", "deliveries")


def domains(namespace: str) -> dict[str, Domain]:
    """The three domains in a namespace, by name."""
    return {each.name: replace(each, namespace=namespace) for each in (shop.DOMAIN, payments.DOMAIN, deliveries.DOMAIN)}


def wired(namespace: str) -> Wired:
    """The process on the topics of these domains."""
    return wire(PROCESS, domains(namespace), namespace)


def plant(copy: Path) -> Path:
    """Copy the tree and put the modules into it."""
    copied(copy)
    # The tree's own domains of these names have tables; ours have none.
    for name in NAMES:
        (copy / "streams" / "domains" / f"{name}.py").unlink(missing_ok=True)
        shutil.rmtree(copy / "sinks" / "domains" / name, ignore_errors=True)
        _put(copy / "schemas" / f"{name}.py", name)
        _put(copy / "producers" / "domains" / f"{name}.py", f"{name}_rules")
    _put(copy / "streams" / "processes" / "fulfilment.py", "fulfilment")
    return copy


def _put(path: Path, module: str) -> None:
    text = (ROOT / "tests" / "saga" / f"{module}.py").read_text()
    path.write_text(re.sub(r"from tests\.saga\b", "from schemas", text))

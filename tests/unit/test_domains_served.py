"""Which domains a stack serves: all, those that the settings choose, or those that a demo needs."""

from pathlib import Path

import pytest

from infra import stack
from infra.config import Settings, read
from infra.pipeline import domains, programs, selected
from infra.serving import with_domains
from schemas import Fatal, Invalid, discover
from streams.wiring import Wired
from tests.saga import planted


def _three(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree as if it had the three domains of the saga, and their process manager."""

    def found(_: object, namespace: str) -> dict[str, Wired]:
        return {"fulfilment": planted.wired(namespace)}

    monkeypatch.setattr("infra.pipeline.discover", planted.domains)
    monkeypatch.setattr("infra.pipeline.find", found)


def _names(settings: Settings) -> set[str]:
    return {program.name for program in programs(settings)}


def test_without_a_choice_all_domains_are_served(tmp_path: Path) -> None:
    assert set(domains(Settings(home=tmp_path))) == set(discover())


def test_the_chosen_domains_alone_have_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _three(monkeypatch)
    everything = {"worker-shop", "worker-payments", "worker-deliveries", "process-fulfilment"}
    assert everything <= _names(Settings(home=tmp_path))
    two = Settings(home=tmp_path, domains="shop,payments")
    assert _names(two) & everything == {"worker-shop", "worker-payments"}
    assert [domain.name for domain in selected(two, None)] == ["shop", "payments"]
    with pytest.raises(Invalid, match="no domain 'deliveries'; there are shop, payments"):
        selected(two, "deliveries")


def test_the_order_of_the_choice_makes_no_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _three(monkeypatch)
    one, other = (programs(Settings(home=tmp_path, domains=names)) for names in ("shop,payments", "payments,shop"))
    assert one == other


def test_a_domain_that_there_is_not_is_named() -> None:
    with pytest.raises(Fatal, match=r"HEADRACE_DOMAINS names 'nope', which is no domain here; there are .*orders"):
        domains(Settings(domains="orders,nope"))
    with pytest.raises(Fatal, match="HEADRACE_DOMAINS"):
        read({"HEADRACE_DOMAINS": "orders, banking"})


def test_what_a_demo_needs_comes_to_what_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _three(monkeypatch)
    every = Settings(home=tmp_path)
    assert with_domains(every, ["shop"]).domains == "shop"
    monkeypatch.setattr(stack, "running", lambda _: True)
    monkeypatch.setattr(stack, "programs", lambda _: {"kafka", "api", "worker-payments"})
    assert with_domains(every, ["shop"]).domains == "shop,payments"
    assert with_domains(every, ["shop", "deliveries"]) == every
    with pytest.raises(Fatal, match="HEADRACE_DOMAINS leaves out deliveries"):
        with_domains(Settings(home=tmp_path, domains="shop"), ["deliveries"])

"""A relay or sink with a thread that is stuck ends itself, with the reason; one that waits does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import Addresses
from tests.pipeline import environment

HANG = """
import sys, threading
import {module} as module
from infra.cli import main

def hang(*_, **__):
    print("it hangs", file=sys.stderr, flush=True)
    while True:
        threading.Event().wait(0.1)

{where} = hang
sys.argv = ["headrace", "{command}"]
main()
"""


def _ends(code: str, environment: dict[str, str] | None = None, seconds: float = 40) -> tuple[int, str]:
    """Exit code and log of a program."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds, check=False, env=environment
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "module", "where"),
    [
        ("relay", "producers.relay.following", "module.Publisher.publish"),
        ("sink", "sinks.loader", "module.Loader._take"),
    ],
)
def test_a_process_with_a_thread_that_hangs_ends_with_all_stacks(
    command: str, module: str, where: str, addresses: Addresses, namespace: str, domain: object, tmp_path: Path
) -> None:
    del domain  # its topics
    from tests.integration.relayed import append, paid_orders

    own = {"HEADRACE_STUCK_SECONDS": "2", "HEADRACE_DOMAINS": "orders"}
    settings = {**environment(addresses, namespace, tmp_path, 0), **own}
    if command == "relay":
        from producers import PostgresEventStore
        from schemas import discover

        orders = discover(namespace)["orders"]
        store = PostgresEventStore(addresses.postgres, orders)
        append(store, orders, paid_orders(0, 5))
        store.close()
    code, log = _ends(HANG.format(command=command, module=module, where=where), settings)
    assert code == 1, log
    assert "it hangs" in log
    assert "ending at once" in log
    assert "in hang" in log, "the stack of the thread"


def test_a_thread_that_waits_and_one_that_works_live_on_and_one_that_ended_is_forgotten() -> None:
    code = """
import threading, time
from infra.pulse import Pulse

def works():
    while not stop.is_set():
        time.sleep(0.1)

with Pulse(threading.Event(), 1.0) as stop:
    stop.is_set()
    threads = [threading.Thread(target=target) for target in (works, stop.wait, stop.is_set)]
    for thread in threads:
        thread.start()
    time.sleep(3.5)
    stop.set()
    for thread in threads:
        thread.join()
raise SystemExit(7)
"""
    assert _ends(code) == (7, "")

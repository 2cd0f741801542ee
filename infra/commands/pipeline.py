"""`headrace api`, `intake`, `relay`, `worker`, `process` and `sink`: the pipeline, each in the foreground."""

import logging
import threading
from functools import partial

import click

from infra.config import Settings
from infra.pipeline import addresses, domains, in_projection, prepare, processes, selected, worker_data
from infra.process import begin
from schemas import Invalid

_log = logging.getLogger(__name__)


@click.command()
@click.pass_obj
def api(settings: Settings) -> None:
    """Serve commands and queries over HTTP until Ctrl-C."""
    from infra.api import serve

    begin(settings)
    serve(settings)


@click.command()
@click.pass_obj
def intake(settings: Settings) -> None:
    """Handle the commands on the Kafka topics DOMAIN.commands, for all domains, until Ctrl-C.

    The value of a record is a line as the bulk route takes it; the answer comes on DOMAIN.replies, keyed with the
    command's id. Several intakes share the partitions. Commands with personal fields are refused here: the topic would
    hold them in plain text.
    """
    from infra.keys import seal_of, subject_keys
    from producers.intake import Servers, run_intake
    from streams.identity import instance

    stop, at = begin(settings), addresses(settings)
    with instance(settings.home / "intake", "headrace.intake") as name:
        servers = Servers(at.postgres, at.kafka, name, partial(seal_of, subject_keys(settings, at.postgres)))
        run_intake(domains(settings).values(), servers, stop)


@click.command()
@click.pass_obj
def relay(settings: Settings) -> None:
    """Publish stored events to Kafka, for all domains, until Ctrl-C. A second one stands by.

    Also forgets the ids of commands that are older than their domain says, and appends ticks to domains that have been
    quiet for as long as they say. A relay that is stuck ends itself, with the stack of every thread in its log.
    """
    from infra.pulse import Pulse
    from producers.relay import run_relay
    from producers.upkeep.retention import run_retention
    from producers.upkeep.ticks import run_ticks

    asked_for, at = begin(settings), addresses(settings)
    served = domains(settings).values()
    with Pulse(asked_for, settings.stuck_seconds) as stop:
        beside = [
            threading.Thread(target=work, args=(served, at.postgres, stop), name=work.__name__)
            for work in (run_retention, run_ticks)
        ]
        for thread in beside:
            thread.start()
        try:
            run_relay(served, at.postgres, at.kafka, stop)
        finally:
            stop.set()
            for thread in beside:
                thread.join()


@click.command()
@click.argument("domain")
@click.option("--projection", type=int, help="The version of the folds; without, the newest.")
@click.option("--build", type=int, help="Keep this build alone; without, all of the projection, each in a process.")
@click.option("--attached", is_flag=True, hidden=True, help="End with the standard input.")
@click.option("--health", metavar="HOST:PORT", help="Answer probes at /health/live and /health/ready there.")
@click.pass_obj
def worker(
    settings: Settings, domain: str, projection: int | None, build: int | None, attached: bool, health: str | None
) -> None:
    """Fold the events of DOMAIN into its aggregates until Ctrl-C.

    While there are further builds of its tables (see `headrace rebuild`), each has a process of its own, which this one
    starts and ends. A worker that is stuck ends itself, with the reason and the stack of every thread in its log.
    """
    from infra.refolds import StoredHistory
    from infra.workers import builds_of, end_with_input
    from streams.watchdog import Watch
    from streams.worker import run_worker

    [chosen] = selected(settings, domain)
    chosen = in_projection(chosen, projection)
    watch = Watch(stuck_seconds=settings.stuck_seconds, probes=_probes(health))
    stop, at = begin(settings), addresses(settings)
    if attached:
        end_with_input(stop)
    history = StoredHistory(at.postgres, chosen)
    try:
        with builds_of(settings, at.postgres, chosen, build, stop) as mine:
            if mine is None:
                stop.wait()
            else:
                run_worker(mine, at.kafka, worker_data(settings), stop, watch, history, settings.table_store)
    finally:
        history.close()


@click.command()
@click.argument("name")
@click.option("--health", metavar="HOST:PORT", help="Answer probes at /health/live and /health/ready there.")
@click.option("--replay", is_flag=True, help="If all is lost: make the state anew, fire nothing for what is past.")
@click.pass_obj
def process(settings: Settings, name: str, health: str | None, replay: bool) -> None:
    """Run the process manager NAME until Ctrl-C: events in, commands out.

    Several of them share the partitions. One that is stuck ends itself, with the reason in its log.
    """
    from producers.store.fired import has_fired
    from streams.process_past import Pasts
    from streams.process_worker import run_process
    from streams.watchdog import Watch

    known = processes(settings)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none: streams/processes has no module"
        raise Invalid(f"there is no process manager {name!r}; {there}", field="name")
    watch = Watch(stuck_seconds=settings.stuck_seconds, probes=_probes(health))
    stop, at, wired = begin(settings), addresses(settings), known[name]
    commanded = set(wired.commanded.values())
    pasts = Pasts(at.kafka, wired, lambda: has_fired(at.postgres, commanded, wired.names.id_prefix), replay=replay)
    run_process(wired, pasts, at.kafka, worker_data(settings), stop, watch, settings.table_store)


def _probes(address: str | None) -> tuple[str, int] | None:
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Invalid(f"--health must be HOST:PORT, not {address!r}", field="health")
    return host.strip("[]"), int(port)


@click.command()
@click.pass_obj
def sink(settings: Settings) -> None:
    """Load events and aggregates into ClickHouse, for all domains and all builds of them, until Ctrl-C.

    A sink that is stuck ends itself, with the stack of every thread in its log.
    """
    from infra.builds import Editions, Either
    from infra.keys import subject_keys
    from infra.pulse import Pulse
    from schemas import Unavailable
    from sinks.sink import run_sink

    stop, at = begin(settings), addresses(settings)
    ended = Either(stop)
    with (
        Pulse(stop, settings.stuck_seconds) as pulse,
        Editions(settings, at.postgres, lambda: ended.set()) as editions,
        subject_keys(settings, at.postgres) as keys,
    ):
        while not stop.is_set():
            ended = Either(pulse)  # before the builds are read: a change after that ends this round
            try:
                served = [editions.of(domain) for domain in domains(settings).values()]
            except Unavailable as error:
                _log.warning("waiting: %s", error.detail)
                stop.wait(1)
                continue
            fsync = settings.clickhouse_fsync == "on"
            run_sink(served, at.kafka, at.clickhouse, ended, keys.opening, fsync=fsync)


@click.command("prepare")
@click.pass_obj
def prepare_command(settings: Settings) -> None:
    """Create or migrate tables and topics on the servers; `headrace up` does it by itself. Safe to run twice."""
    prepare(settings)
    click.echo("tables and topics: ready")


COMMANDS = [api, intake, relay, worker, process, sink, prepare_command]

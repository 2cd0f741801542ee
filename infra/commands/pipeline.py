"""`headrace api`, `intake`, `relay`, `worker` and `sink`: the processes of the pipeline, each in the foreground."""

import threading

import click

from infra.config import Settings
from infra.pipeline import addresses, domains, prepare, selected
from infra.process import begin


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
    command's id. Several intakes share the partitions.
    """
    from producers.intake import run_intake
    from streams.identity import instance

    stop, at = begin(settings), addresses(settings)
    with instance(settings.home / "intake", "headrace.intake") as name:
        run_intake(domains(settings).values(), at.postgres, at.kafka, name, stop)


@click.command()
@click.pass_obj
def relay(settings: Settings) -> None:
    """Publish stored events to Kafka, for all domains, until Ctrl-C. A second one stands by.

    Also forgets the ids of commands that are older than their domain says.
    """
    from producers.relay import run_relay
    from producers.retention import run_retention

    stop, at = begin(settings), addresses(settings)
    served = domains(settings).values()
    keeper = threading.Thread(target=run_retention, args=(served, at.postgres, stop), name="retention")
    keeper.start()
    try:
        run_relay(served, at.postgres, at.kafka, stop)
    finally:
        stop.set()
        keeper.join()


@click.command()
@click.argument("domain")
@click.pass_obj
def worker(settings: Settings, domain: str) -> None:
    """Fold the events of DOMAIN into its aggregates until Ctrl-C."""
    from streams.worker import run_worker

    [chosen] = selected(settings, domain)
    stop = begin(settings)
    run_worker(chosen, addresses(settings).kafka, settings.home / "worker", stop)


@click.command()
@click.pass_obj
def sink(settings: Settings) -> None:
    """Load events and aggregates into ClickHouse, for all domains, until Ctrl-C."""
    from sinks.sink import run_sink

    stop, at = begin(settings), addresses(settings)
    run_sink(domains(settings).values(), at.kafka, at.clickhouse, stop)


@click.command("prepare")
@click.pass_obj
def prepare_command(settings: Settings) -> None:
    """Create or migrate tables and topics on the servers; `headrace up` does it by itself. Safe to run twice."""
    prepare(settings)
    click.echo("tables and topics: ready")


COMMANDS = [api, intake, relay, worker, sink, prepare_command]

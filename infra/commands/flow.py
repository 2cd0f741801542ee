"""`headrace flow`: the way of each domain, from the objects that the code uses."""

from importlib.resources import files

import click
from rich.console import Console
from rich.tree import Tree

from infra.config import Settings
from schemas import Domain
from streams.wiring import Wired


@click.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.pass_obj
def flow(settings: Settings, name: str | None) -> None:
    """Show the way of every domain, or of DOMAIN: topics, folds, tables, queries and processes by their names."""
    from infra.pipeline import processes, selected

    out = Console(highlight=False)
    for domain in selected(settings, name):
        out.print(_tree(domain))
    for wired in processes(settings).values():
        if name is None or name in {domain.name for domain in wired.commanded.values()}:
            out.print(_process(wired))


def _tree(domain: Domain) -> Tree:
    tree = Tree(f"[bold]{domain.name}[/]")
    _commands(tree.add(f"[cyan]command[/]  producers/domains/{domain.name}.py"), domain)
    events = ", ".join(event.__name__ for event in domain.events)
    append = tree.add(f"[cyan]append[/]   PostgreSQL, domain {domain.key}: {events}")
    append.add(f"{domain.proofs_topic}  signed checkpoints, of `headrace checkpoint --topic`")
    relay = tree.add(f"[cyan]relay[/]    transactional ids {' and '.join(domain.relay_transactional_ids)}")
    relay.add(f"{domain.events_topic}  {domain.partitions} partitions, checkpoints in {domain.checkpoints_topic}")
    for route in domain.routes:
        relay.add(f"{domain.route_topic(route)}  the same events keyed by the route {route.name}")
    for version in domain.projections:
        fold = tree.add(f"[cyan]fold[/]     app {version.worker_app}, streams/domains/{version.module}.py")
        for aggregate in version.aggregates:
            fold.add(f"{version.aggregate_topic(aggregate)}  {aggregate.value.__name__}")
        fold.add(f"{version.held_topic}, {version.dead_letters_topic}  what could not be folded")
    folders = ", ".join(f"sinks/domains/{version.module}/" for version in domain.projections)
    _load(tree.add(f"[cyan]load[/]     {folders}"), domain)
    _query(tree.add("[cyan]query[/]"), domain.live)
    return tree


def _process(wired: Wired) -> Tree:
    names = wired.names
    tree = Tree(f"[bold]{names.name}[/]  process manager, app {names.app}, streams/processes/{names.name}.py")
    reads = tree.add("[cyan]reads[/]")
    for topic in wired.group.sources:
        reads.add(topic)
    fires = tree.add("[cyan]fires[/]")
    for topic in sorted({domain.commands_topic for domain in wired.commanded.values()}):
        fires.add(topic)
    tree.add(f"[cyan]keeps[/]    {names.state_topic}, {names.held_topic}, {names.dead_letters_topic}")
    return tree


def _commands(branch: Tree, domain: Domain) -> None:
    from producers.http.paths import command_paths
    from schemas import stage_module

    root = f"/api/{domain.name}"
    branch.add(f"POST {root}/  {domain.commands[0].__name__}")
    for path, command in command_paths(domain).items():
        branch.add(f"POST {root}/{{id}}/{path}  {command.__name__}")
    if stage_module("producers", domain).DECIDER.revert is not None:
        branch.add(f"POST {root}/{{id}}/rollback  to an earlier version")
    branch.add(f"POST {root}/bulk  any of them, NDJSON")
    intake = f"{domain.commands_topic} -> {domain.replies_topic}, {domain.command_dead_letters_topic}"
    branch.add(f"{intake}  group {domain.intake_group}")


def _load(branch: Tree, domain: Domain) -> None:
    from sinks.targets import targets_of

    for target in targets_of(domain):
        branch.add(f"{target.topic} -> {target.table}  group {domain.sink_group(target.topic)}")


def _query(branch: Tree, domain: Domain) -> None:
    root = f"/api/{domain.name}"
    branch.add(f"GET {root}/, {root}/{{id}}, {root}/{{id}}/status, {root}/{{id}}/log, {root}/events")
    branch.add(f"GET {root}/{{id}}/state, {root}/{{id}}/history, {root}/{{id}}/difference  from PostgreSQL")
    branch.add(f"GET {root}/aggregates/{{{'|'.join(aggregate.name for aggregate in domain.aggregates)}}}")
    for query in sorted(f.name for f in files(f"sinks.domains.{domain.module}").joinpath("queries").iterdir()):
        branch.add(f"GET {root}/queries/{query.removesuffix('.sql')}")


COMMANDS = [flow]

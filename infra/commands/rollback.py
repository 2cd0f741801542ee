"""`headrace rollback`: bring a stream back to the state of an earlier version, by new events."""

import asyncio
from typing import TYPE_CHECKING

import click

from infra.config import Settings

if TYPE_CHECKING:
    from producers import Receipt, Request
    from producers.handling.rollback import Rollback
    from schemas import Domain


@click.command()
@click.argument("domain")
@click.argument("stream")
@click.argument("version", type=click.IntRange(1))
@click.option("--id", "id_", metavar="ID", help="Command id: sent again with it, the first answer is given again.")
@click.option("--expect", type=click.IntRange(1), metavar="N", help="Only if the stream is at this version now.")
@click.option("--json", "as_json", is_flag=True, help="The receipt as one JSON object.")
@click.pass_obj
def rollback(
    settings: Settings, domain: str, stream: str, version: int, id_: str | None, expect: int | None, as_json: bool
) -> None:
    """Bring STREAM of DOMAIN back to the state that it had at VERSION.

    Nothing is removed: new events undo what came after, where the domain allows it; else it is refused with the rule
    that forbids it. `headrace stream DOMAIN STREAM --diff VERSION N` shows beforehand what would change back.
    """
    from infra.pipeline import selected
    from producers import Request
    from producers.handling.rollback import Rollback as Target
    from producers.http.intake import generated_id, id_in
    from schemas import encode

    [chosen] = selected(settings, domain)
    target = Target(stream=stream, version=version)
    request = Request(
        target,
        id_in(id_, "--id", "invalid-parameter") if id_ else generated_id(),
        generated=id_ is None,
        expected_version=expect,
    )
    receipt = _handled(settings, chosen, request, target)
    if as_json:
        click.echo(encode(receipt))
    else:
        click.echo(f"{receipt.stream} is at version {receipt.version} ({', '.join(receipt.event_ids) or 'no events'})")


def _handled(settings: Settings, domain: "Domain", request: "Request", target: "Rollback") -> "Receipt":
    from infra.keys import seal_of, subject_keys
    from infra.pipeline import addresses
    from producers import CommandHandler, PostgresEventStore
    from producers.history import Traveller
    from producers.store.connections import READER
    from schemas import stage_module

    postgres = addresses(settings, "postgres").postgres
    keys = subject_keys(settings, postgres)
    decider = stage_module("producers", domain).DECIDER
    store, past = PostgresEventStore(postgres, domain), PostgresEventStore(postgres, domain, 1, READER)

    async def handle() -> "Receipt":
        handler = CommandHandler(domain, decider, store, seal=seal_of(keys, domain))
        try:
            return await handler.handle(request)
        finally:
            await handler.close()

    try:
        if decider.revert is not None:
            request.then = Traveller(domain, decider, past).state(target.stream, target.version)
        return asyncio.run(handle())
    finally:
        store.close()
        past.close()
        keys.close()


COMMANDS = [rollback]

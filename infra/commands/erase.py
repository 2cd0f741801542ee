"""`headrace erase`: make all personal data of somebody unreadable, for good, and prove that it was done."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from infra.config import Settings

if TYPE_CHECKING:
    from infra.erasing import Erasing
    from schemas import Domain


@click.command()
@click.argument("name", metavar="DOMAIN")
@click.argument("subject", required=False)
@click.option("--dry-run", is_flag=True, help="Say what there is, and change nothing.")
@click.option("--records", is_flag=True, help="List the records of the erasures that were done, and check them.")
@click.option(
    "--public-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --records: the public key of those who sign; without, the one beside the signing key.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --records one a line.")
@click.pass_obj
def erase(
    settings: Settings,
    name: str,
    subject: str | None,
    dry_run: bool,
    records: bool,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Erase the personal data of SUBJECT from DOMAIN. It cannot be undone.

    Personal fields are sealed with a key of their subject's wherever they are stored: events, aggregates, topics,
    archives. That key is erased, and all values that were opened for the tables of ClickHouse are rewritten to
    "[erased]", in every version and build. Nothing else changes: hashes, checkpoints and counts stay right. At the end
    a record is signed with the key that signs checkpoints, and kept in PostgreSQL.

    Killed at any point, run it again. New commands with personal data of the subject are refused.
    """
    from infra.erasing import Erasing
    from infra.pipeline import selected
    from schemas import encode

    if records == (subject is not None) or (records and dry_run):
        raise click.UsageError("name a SUBJECT, or ask for --records")
    if public_key is not None and not records:
        raise click.UsageError("--public-key goes with --records")
    [domain] = selected(settings, name)
    out = Console(highlight=False, soft_wrap=True)
    with Erasing(settings, domain) as erasing:
        if subject is None:
            _list(erasing, domain, settings, public_key, as_json)
        elif dry_run:
            plan = erasing.plan(subject)
            if as_json:
                click.echo(encode(plan))
            else:
                click.echo(f"{subject}: {f'its key was erased at {plan.erased}' if plan.erased else 'it has a key'}")
                for table, rows in plan.rows.items():
                    click.echo(f"{table}: {rows} rows to rewrite")
        elif as_json:
            click.echo(encode(erasing.erase(subject)))
        else:
            with out.status(f"erasing {subject}"):
                record = erasing.erase(subject, lambda sentence: out.print(sentence, markup=False))
            click.echo(f"erased: {subject} of {name}, record {record.number}, signed by {record.key}")


def _list(erasing: "Erasing", domain: "Domain", settings: Settings, public_key: Path | None, as_json: bool) -> None:
    from infra.pipeline import signing_key
    from producers.erasure.records import faults, read
    from producers.proof.keys import load_public, public_file

    found = erasing.records()
    for line, record in zip(found, read(found), strict=True):
        done = f"{record.number}: {record.subject}, key erased at {record.erased}, completed at {record.completed}"
        click.echo(line if as_json else done)
    wrong = faults(domain, found, load_public(public_key or public_file(signing_key(settings)))) if found else []
    for sentence in wrong:
        click.echo(sentence, err=True)
    if wrong:
        raise click.exceptions.Exit(1)


COMMANDS = [erase]

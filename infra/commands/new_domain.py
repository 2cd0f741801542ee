"""`headrace new-domain`: the files of a domain of one's own, to go on from."""

import click

from infra.config import ROOT, Settings


@click.command("new-domain")
@click.argument("name")
@click.pass_obj
def new_domain(_: Settings, name: str) -> None:
    """Write the files of a domain NAME and a test of it; no existing file is changed.

    They are a small domain that works: items are added and finished. Replace them by what is yours; how, says
    docs/how-to/add-a-domain.md.
    """
    from infra.scaffold import write_domain

    for path in write_domain(name):
        click.echo(path.relative_to(ROOT))
    click.echo(f"\nTry it: ./headrace flow {name}, ./headrace up, and its test tests/unit/test_{name}.py")


COMMANDS = [new_domain]

"""`headrace checkpoint` and `headrace keygen`: sign what history is now, so that no one can change it unseen."""

import logging
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.config import Settings, variable

if TYPE_CHECKING:
    from producers.proof.signing import Signer
    from schemas import Domain

log = logging.getLogger(__name__)


@click.command()
@click.argument("name", required=False, metavar="[DOMAIN]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Add them to this file, one a line.")
@click.option("--topic", is_flag=True, help="Publish them to the domain's topic of proofs.")
@click.option("--every", metavar="DURATION", help="Go on until Ctrl-C or SIGTERM, signing this often: 60s, 5m, 1h.")
@click.pass_obj
def checkpoint(settings: Settings, name: str | None, out: Path | None, topic: bool, every: str | None) -> None:
    """Sign where history stands, of all domains or of DOMAIN, and print, store or publish the checkpoints.

    Keep them where those who can write to the database cannot: `headrace verify --checkpoint` then finds even a
    history that was rewritten as a whole, cut, or replaced by an older backup. The key is HEADRACE_SIGNING_KEY; without
    that, signing.key in HEADRACE_HOME, which is made at first use. A head that the file or topic has already is not
    added again; a history that contradicts what was signed last is not signed.
    """
    from infra.pipeline import addresses, selected, signing_key
    from infra.process import begin
    from producers.proof.files import CheckpointFile
    from producers.proof.keys import load_private, make
    from producers.proof.signing import Export, Signer
    from producers.proof.topic import CheckpointTopics

    seconds = _seconds(every) if every else 0
    if every and not out and not topic:
        raise click.UsageError("--every needs --out or --topic")
    domains, path = selected(settings, name), signing_key(settings)
    if not settings.signing_key:
        make(path)
    at = addresses(settings, "postgres", *(["kafka"] if topic else []))
    exports: list[Export] = [*([CheckpointFile(out)] if out else []), *([CheckpointTopics(at.kafka)] if topic else [])]
    signer = Signer(at.postgres, load_private(path), exports)
    if every:
        _periodically(signer, domains, seconds, begin(settings))
    else:
        for domain in domains:
            click.echo(_line(signer, domain))


def _line(signer: "Signer", domain: "Domain") -> bytes:
    from producers.proof.checkpoints import line

    return line(signer.sign(domain)).rstrip()


def _periodically(signer: "Signer", domains: "list[Domain]", seconds: float, stop: threading.Event) -> None:
    from schemas import Unavailable

    while not stop.is_set():
        for domain in domains:
            try:
                signer.sign(domain)
            except Unavailable as error:
                log.warning("no checkpoint of %s now: %s", domain.key, error.detail)
        stop.wait(seconds)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"([1-9]\d{0,5})(s|m|h)", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no duration such as 60s, 5m or 1h", param_hint="--every")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


@click.command()
@click.pass_obj
def keygen(settings: Settings) -> None:
    """Make the key pair that signs checkpoints, unless it is there; print the public key.

    The private key is the file HEADRACE_SIGNING_KEY (signing.key in HEADRACE_HOME), readable by you alone; the public
    key, which `headrace verify --public-key` takes, lies beside it with the ending .pub.
    """
    from infra.pipeline import signing_key
    from producers.proof.keys import key_id, load_private, make, public_file

    path = signing_key(settings)
    made = make(path)
    name = key_id(load_private(path).public_key())
    click.echo(f"{'made' if made else 'there already:'} {path} ({variable('signing_key')}), key {name}", err=True)
    click.echo(public_file(path).read_text(encoding="ascii"), nl=False)


COMMANDS = [checkpoint, keygen]

"""Signs the heads of domains and remembers what was signed, so that no history is signed that contradicts it."""

from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.proof.checkpoints import Checkpoint, check_skips, compare, sign
from producers.proof.reader import Point, Reader
from schemas import Domain, Fatal


class Export(Protocol):
    """Where checkpoints go: a file or the topics."""

    def last(self, domain: Domain) -> Checkpoint | None:
        """The domain's checkpoint that was exported last."""
        ...

    def add(self, domain: Domain, checkpoint: Checkpoint) -> None:
        """Export one, durably."""
        ...


class Signer:
    """Signs heads for some exports. A head that was signed already is not exported again."""

    def __init__(self, postgres: str, key: Ed25519PrivateKey, exports: Sequence[Export]) -> None:
        self._postgres = postgres
        self._key = key
        self._exports = exports

    def sign(self, domain: Domain) -> Checkpoint:
        """Sign the head of the domain and export it.

        Raises Fatal, and signs nothing, when the head does not fit the last event, or history or skips not what was
        signed last. Raises Unavailable when a server does not answer.
        """
        with Reader(self._postgres, domain) as reader:
            head, last = reader.head()
            if (head or Point())[:2] != (last or Point())[:2]:
                raise Fatal(
                    f"the head row of {domain.key} does not fit its last event: nothing is signed. "
                    f"`headrace verify {domain.name}` says what was done",
                    rule="history-differs",
                )
            before = [export.last(domain) for export in self._exports]
            known, skips = [signed for signed in before if signed], reader.skips()
            for finding in [*compare(reader, known), *check_skips(skips, known, domain.key)]:
                raise Fatal(f"nothing of {domain.key} is signed: {finding.detail}", rule="history-differs")
        made = sign(domain.key, head or Point(), self._key, skips)
        for export, signed in zip(self._exports, before, strict=True):
            if signed is None or _said(signed) != _said(made):
                export.add(domain, made)
        return made


def _said(checkpoint: Checkpoint) -> tuple[int, str, str]:
    return checkpoint.position, checkpoint.digest, checkpoint.skips_digest

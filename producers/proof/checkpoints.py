"""Signed checkpoints: "at this time the domain's history up to this position had this digest"."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from producers.proof.findings import Finding
from producers.proof.keys import key_id
from producers.proof.reader import Point, SkipRow
from producers.store.hashing import SEPARATOR, microseconds
from schemas import Invalid, encode

FORMAT = 1


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A head and who vouches for it. `digest` is in hex, `key` names the public key, `signature` is base64.

    `skips` is how many events are left out of folds, `skips_digest` the hash of the last record of these (in hex; empty
    without). Signed are the UTF-8 bytes of `headrace checkpoint`, format, domain, position, time in microseconds since
    1970, digest, skips, skips_digest and key, joined by the byte 1F.
    """

    format: int
    domain: str
    position: int
    time: datetime
    digest: str
    skips: int
    skips_digest: str
    key: str
    signature: str

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over."""
        at = microseconds(self.time)
        values = (self.format, self.domain, self.position, at, self.digest, self.skips, self.skips_digest, self.key)
        return SEPARATOR.join(("headrace checkpoint", *map(str, values))).encode()

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is that of the key over this very content."""
        try:
            key.verify(b64decode(self.signature, validate=True), self.signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def sign(domain: str, head: Point, key: Ed25519PrivateKey, skips: Sequence[SkipRow] = ()) -> Checkpoint:
    """A checkpoint of a head and of the skips, signed now."""
    made = Checkpoint(
        format=FORMAT,
        domain=domain,
        position=head.position,
        time=datetime.now(UTC),
        digest=head.digest.hex(),
        skips=len(skips),
        skips_digest=skips[-1].hash.hex() if skips else "",
        key=key_id(key.public_key()),
        signature="",
    )
    return msgspec.structs.replace(made, signature=b64encode(key.sign(made.signed)).decode())


def line(checkpoint: Checkpoint) -> bytes:
    """The checkpoint as one line of JSON."""
    return encode(checkpoint) + b"\n"


def parse(text: bytes, source: str) -> Checkpoint:
    """The checkpoint in one line of JSON. Raises Invalid, naming `source`."""
    try:
        found = msgspec.json.decode(text, type=Checkpoint)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Invalid(f"{source} holds no checkpoint: {error}", rule="not-a-checkpoint") from error
    if found.format != FORMAT:
        raise Invalid(f"{source} has the format {found.format}; this version reads {FORMAT}", rule="unknown-format")
    if found.time.tzinfo is None:
        raise Invalid(f"{source} has a time without a zone", rule="not-a-checkpoint", field="time")
    return found


class History(Protocol):
    """What a checkpoint is compared with."""

    def head(self) -> tuple[Point | None, Point | None]:
        """The head row and the last event."""
        ...

    def digests(self, positions: Sequence[int]) -> dict[int, bytes | None]:
        """The digest that is stored at each position."""
        ...


def forged(checkpoints: Sequence[Checkpoint], key: Ed25519PublicKey) -> list[Finding]:
    """A finding for each checkpoint that the key did not sign."""
    name = key_id(key)

    def finding(checkpoint: Checkpoint) -> Finding:
        signer = "another key" if checkpoint.key != name else "nobody who has the key"
        detail = (
            f"the checkpoint of {checkpoint.time.isoformat()} at position {checkpoint.position} was signed by "
            f"{signer}: it was forged or altered, or belongs to another public key than {name}"
        )
        return Finding("bad-checkpoint", detail, checkpoint.domain, checkpoint.position)

    return [finding(checkpoint) for checkpoint in checkpoints if not checkpoint.is_signed_by(key)]


def compare(history: History, checkpoints: Sequence[Checkpoint]) -> list[Finding]:
    """At most one finding: the first of a domain's signed checkpoints that its stored history does not have."""
    stored = history.digests([checkpoint.position for checkpoint in checkpoints])
    stored[0] = bytes(32)
    good = 0
    for checkpoint in sorted(checkpoints, key=lambda c: c.position):
        digest = stored.get(checkpoint.position)
        if digest is not None and digest.hex() == checkpoint.digest:
            good = checkpoint.position
            continue
        return [_finding(checkpoint, history.head()[0], good)]
    return []


def _finding(checkpoint: Checkpoint, head: Point | None, good: int) -> Finding:
    at = head.position if head else 0
    signed = f"the checkpoint signed at {checkpoint.time.isoformat()} says position {checkpoint.position}"
    if at < checkpoint.position:
        detail = (
            f"{signed}, the head is at {at}: an older database was restored, or the tail was cut and the head with it; "
            f"events {at + 1} to {checkpoint.position} are gone"
        )
        return Finding("older-database", detail, checkpoint.domain, at + 1)
    detail = (
        f"{signed} and another digest than history has there: history was rewritten or forked after position {good}, "
        "the last that a checkpoint confirms"
    )
    return Finding("forked-history", detail, checkpoint.domain, good + 1)


def check_skips(skips: Sequence[SkipRow], checkpoints: Sequence[Checkpoint], domain: str) -> list[Finding]:
    """At most one finding: the first record of a skip that was altered, or the first that is missing."""
    for expected, skip in enumerate(skips, 1):
        if skip.number != expected:
            detail = f"the record of skip {expected} is gone: what it left out of the tables, and why, is not known"
            return [Finding("removed-skip", detail, domain)]
        if not (skip.intact and skip.known):
            what = "does not follow the one before it" if skip.known else "names an event that is not in history"
            detail = f"the record of skip {skip.number} was altered or added: it {what}"
            return [Finding("altered-skip", detail, domain, skip.position, skip.stream, skip.version, skip.event)]
    for checkpoint in sorted(checkpoints, key=lambda c: c.skips):
        signed = f"the checkpoint signed at {checkpoint.time.isoformat()} has {checkpoint.skips} skips"
        if checkpoint.skips > len(skips):
            detail = f"{signed}, there are {len(skips)}: records of skips were removed"
            return [Finding("removed-skip", detail, domain)]
        if checkpoint.skips and skips[checkpoint.skips - 1].hash.hex() != checkpoint.skips_digest:
            detail = f"{signed} with another hash than the records have: they were rewritten"
            return [Finding("altered-skip", detail, domain)]
    return []

"""Signed records of completed erasures: who was erased, when, and what was searched and found free of it."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from producers.proof.keys import key_id
from producers.store.hashing import SEPARATOR, microseconds
from schemas import Domain, encode

_FORMAT = 1


class Erasure(Struct, frozen=True, kw_only=True):
    """One erasure. `sealed_with` is the id of the key that was erased at `erased`; at `completed` no row of `tables`
    held anything that it had opened. `previous` is the SHA-256 of the record before it in the domain, in hex.

    `key` names the public key; `signature` (base64) is over the UTF-8 bytes of `headrace erasure`, format, domain,
    number, subject, sealed_with, erased and completed in microseconds since 1970, previous, key and the tables, joined
    by the byte 1F.
    """

    format: int
    domain: str
    number: int
    subject: str
    sealed_with: str
    erased: datetime
    completed: datetime
    tables: tuple[str, ...]
    previous: str
    key: str
    signature: str

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is over."""
        times = (microseconds(self.erased), microseconds(self.completed))
        names = (self.format, self.domain, self.number, self.subject, self.sealed_with)
        values = ("headrace erasure", *names, *times, self.previous, self.key, *self.tables)
        return SEPARATOR.join(map(str, values)).encode()

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is that of the key over this very content."""
        try:
            key.verify(b64decode(self.signature, validate=True), self.signed)
        except (InvalidSignature, ValueError):
            return False
        return True


def signed(
    domain: Domain,
    before: Sequence[bytes],
    subject: str,
    sealed_with: str,
    times: tuple[datetime, datetime],
    tables: Sequence[str],
    key: Ed25519PrivateKey,
) -> Erasure:
    """The record that follows those `before`, signed."""
    made = Erasure(
        format=_FORMAT,
        domain=domain.key,
        number=len(before) + 1,
        subject=subject,
        sealed_with=sealed_with,
        erased=times[0],
        completed=times[1],
        tables=tuple(tables),
        previous=_previous(before, len(before)),
        key=key_id(key.public_key()),
        signature="",
    )
    return msgspec.structs.replace(made, signature=b64encode(key.sign(made.signed)).decode())


def written(record: Erasure) -> bytes:
    """The record's JSON."""
    return encode(record)


def read(records: Sequence[bytes]) -> list[Erasure]:
    """Records from their JSON."""
    return [msgspec.json.decode(record, type=Erasure) for record in records]


def faults(domain: Domain, records: Sequence[bytes], key: Ed25519PublicKey) -> list[str]:
    """A sentence for each record that the key did not sign, or that does not follow the one before it."""
    found = []
    for index, record in enumerate(read(records)):
        if not record.is_signed_by(key):
            found.append(f"record {record.number} was not signed by the key {key_id(key)} as it stands")
        elif (record.domain, record.number, record.previous) != (domain.key, index + 1, _previous(records, index)):
            found.append(f"record {record.number} does not follow the record before it: one was removed or exchanged")
    return found


def _previous(records: Sequence[bytes], index: int) -> str:
    return sha256(records[index - 1]).hexdigest() if index else ""

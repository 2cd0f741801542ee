"""Seals texts with a subject's key, and wraps such keys with the master key.

A text is encrypted with AES-SIV (RFC 5297) under a key of 64 bytes; the key's id is authenticated with it. There is no
nonce to be reused: it is deterministic, so that under one key equal texts give equal values, which rules may compare,
and a retried command is the same command. Texts are padded to a multiple of 16 bytes (PKCS #7), so that a value tells
their length only so far. Keys are wrapped with AES-256 key wrap (RFC 3394).
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.padding import PKCS7

from schemas import SEALED, SEALED_PREFIX, Fatal

_BLOCK_BITS = 128


class Key:
    """One subject's key. Its id names it in the values that it seals."""

    def __init__(self, id_: str, secret: bytes) -> None:
        self.id = id_
        self._secret = secret
        self._siv = AESSIV(secret)

    @classmethod
    def fresh(cls) -> "Key":
        """A new random key."""
        return cls(secrets.token_urlsafe(12), AESSIV.generate_key(512))

    @classmethod
    def unwrapped(cls, id_: str, wrapped: bytes, master: bytes) -> "Key":
        """The key that was wrapped. Raises Fatal when it was with another master key."""
        try:
            return cls(id_, aes_key_unwrap(master, wrapped))
        except (InvalidUnwrap, ValueError) as error:
            raise Fatal(
                f"the key {id_} of a subject was wrapped with another master key: HEADRACE_SUBJECT_KEY must name the "
                "file that was used when it was made",
                rule="other-master-key",
                field="subject_key",
            ) from error

    def wrapped(self, master: bytes) -> bytes:
        """The key as it is stored."""
        return aes_key_wrap(master, self._secret)

    def seal(self, text: str) -> str:
        """The sealed value of a text."""
        padder = PKCS7(_BLOCK_BITS).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        sealed = self._siv.encrypt(padded, [self.id.encode()])
        return f"{SEALED_PREFIX}{self.id}:{urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def open(self, value: str) -> str:
        """The text of a sealed value. Raises ValueError when this key did not seal this very value."""
        found = SEALED.fullmatch(value)
        if found is None or found[1] != self.id:
            raise ValueError(f"no value that the key {self.id} sealed")
        sealed = found[2]
        try:
            padded = self._siv.decrypt(urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)), [self.id.encode()])
        except InvalidTag as error:
            raise ValueError(f"a value of the key {self.id} was altered") from error
        unpadder = PKCS7(_BLOCK_BITS).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()

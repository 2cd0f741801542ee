"""The Ed25519 key pair that signs checkpoints: a private key file of mode 0600 and, beside it, the public key (PEM)."""

import contextlib
import os
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from schemas import Fatal


def public_file(private: Path) -> Path:
    """Where the public key of a private key file lies."""
    return private.with_name(private.name + ".pub")


def make(private: Path) -> bool:
    """Make a key pair unless the private key file exists; answers whether it was made. Raises Fatal.

    Of two processes that do it at once one wins, and both go on with that one's key.
    """
    if private.exists():
        return False
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        if not place(private, pem, 0o600):
            return False
        public = public_file(private)
        public.unlink(missing_ok=True)
        _write(public, _pem(key.public_key()), 0o644)
    except OSError as error:
        raise Fatal(f"cannot make the signing key {private}: {error.strerror}", field="signing_key") from error
    return True


def place(path: Path, content: bytes, mode: int) -> bool:
    """Make a file, whole or not at all; answers whether it was made: not when there is one. Raises OSError."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write(fresh, content, mode)
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink(missing_ok=True)
    return True


def load_private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises Fatal when it is missing, no Ed25519 key, or readable by others."""
    if path.exists() and path.stat().st_mode & 0o077:
        raise Fatal(f"the signing key {path} is open to others: chmod 600 it, and think of whether it has leaked")
    key = _load(path, lambda data: load_pem_private_key(data, None))
    if not isinstance(key, Ed25519PrivateKey):
        raise Fatal(f"{path} holds no private Ed25519 key in PEM")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """The public key in a file. Raises Fatal when it is missing or no Ed25519 key."""
    key = _load(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise Fatal(f"{path} holds no public Ed25519 key in PEM")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Names a public key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _load(path: Path, parse: Callable[[bytes], object]) -> object:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise Fatal(f"cannot read the key {path}: {error.strerror}; `headrace keygen` makes a key pair") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Fatal(f"{path} is no key file in PEM: {error}") from error


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _write(path: Path, content: bytes, mode: int) -> None:
    with contextlib.closing(os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb")) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

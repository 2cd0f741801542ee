"""The master key: a file of mode 0600 that wraps the subjects' keys, so that the database alone opens nothing."""

import secrets
from base64 import b64decode, b64encode
from binascii import Error
from pathlib import Path

from producers.proof.keys import place
from schemas import Fatal

_BYTES = 32


def load_master(path: Path) -> bytes:
    """The master key in a file, which is made when there is none.

    Raises Fatal when it cannot be read or made, holds no such key, or is open to others.
    """
    try:
        if not path.exists():
            place(path, b64encode(secrets.token_bytes(_BYTES)) + b"\n", 0o600)
        if path.stat().st_mode & 0o077:
            raise _bad(path, "is open to others: chmod 600 it, and think of whether it has leaked")
        key = b64decode(path.read_bytes().strip(), validate=True)
    except OSError as error:
        raise _bad(path, f"cannot be read or made: {error.strerror}") from error
    except (Error, ValueError) as error:
        raise _bad(path, "holds no key: it must be one line, 32 random bytes in base64") from error
    if len(key) != _BYTES:
        raise _bad(path, "holds no key: it must be one line, 32 random bytes in base64")
    return key


def _bad(path: Path, what: str) -> Fatal:
    return Fatal(f"the master key {path} {what}", rule="bad-master-key", field="subject_key")

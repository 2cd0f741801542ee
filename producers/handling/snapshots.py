"""Snapshots of long streams: their states, kept so that a restart need not replay them from their first event.

A snapshot is used only when the code that made it is the code that runs (see fingerprints), nothing in its row was
altered, and the stream's chain has the snapshot's hash at its version. Without one, the stream is replayed.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct

from producers.decider import Decider
from producers.handling.cache import Known
from producers.handling.fingerprints import fingerprint
from producers.store import SNAPSHOT_EVERY, EventStore, Snapshot
from schemas import Domain, HeadraceError

log = logging.getLogger(__name__)

_WAITING = 1_000


def encode_state(state: Any) -> bytes:
    """A state in JSON, always the same for the same state; its fields as they are declared, maps by their keys."""
    # The encoder puts maps in order only when their keys are text; those of instants, say, are made so first.
    return msgspec.json.encode(msgspec.to_builtins(state, str_keys=True, order="deterministic"))


class Base(Struct, frozen=True):
    """Where a replay starts: the state at a version whose event has this hash."""

    version: int
    hash: bytes
    state: Any


START = Base(0, b"", None)


class Snapshots:
    """Finds and takes snapshots of one domain's streams; without a state type of the decider it does neither."""

    def __init__(self, domain: Domain, decider: Decider, store: EventStore) -> None:
        self._domain = domain
        self._store = store
        self._fingerprint = b""
        if decider.state is not None:
            self._fingerprint = fingerprint(domain, decider)
            self._decode = msgspec.json.Decoder(decider.state).decode
        self._lock = Lock()
        self._waiting: dict[str, Base] = {}
        self._thread = ThreadPoolExecutor(1, f"snapshots-{domain.name}")

    def find(self, streams: Iterable[str]) -> dict[str, Base]:
        """What there is of these streams; the caller checks the hash against the stream."""
        if not self._fingerprint:
            return {}
        found = {}
        for stream, snapshot in self._store.snapshots(list(streams), self._fingerprint).items():
            try:
                if sealed(snapshot) != snapshot:
                    raise ValueError("it was altered")
                found[stream] = Base(snapshot.version, snapshot.hash, self._decode(snapshot.state))
            except ValueError as error:
                log.warning("the snapshot of stream %s of %s is not used: %s", stream, self._domain.name, error)
        return found

    def offer(self, stream: str, known: Known) -> None:
        """Take a snapshot, later and in another thread, when the last one is `SNAPSHOT_EVERY` events old."""
        if not self._fingerprint or known.version - known.kept < SNAPSHOT_EVERY:
            return
        with self._lock:
            if len(self._waiting) >= _WAITING and stream not in self._waiting:
                return
            begins = not self._waiting
            self._waiting[stream] = Base(known.version, known.hash, known.state)
            known.kept = known.version
        if begins:
            self._thread.submit(self._take)

    def close(self) -> None:
        """Wait until what was offered is kept."""
        self._thread.shutdown()

    def _take(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    return
                stream = next(iter(self._waiting))
                base = self._waiting[stream]
            try:
                self._keep(stream, base)
            except HeadraceError as error:
                log.warning("no snapshot of stream %s of %s: %s", stream, self._domain.name, error.detail)
            except Exception:
                log.exception("no snapshot of stream %s of %s", stream, self._domain.name)
            with self._lock:
                if self._waiting[stream] is base:
                    del self._waiting[stream]

    def _keep(self, stream: str, base: Base) -> None:
        data = encode_state(base.state)
        if self._decode(data) != base.state:
            log.warning("the states of %s do not survive their JSON form: no snapshots", self._domain.name)
            self._fingerprint = b""
            return
        made = Snapshot(stream, base.version, base.hash, self._fingerprint, b"", data)
        self._store.keep(sealed(made))


def sealed(snapshot: Snapshot) -> Snapshot:
    """The snapshot with its right checksum."""
    whole = (snapshot.stream, snapshot.version, snapshot.hash, snapshot.fingerprint, snapshot.state)
    checksum = blake2b(msgspec.msgpack.encode(whole), digest_size=16).digest()
    return msgspec.structs.replace(snapshot, checksum=checksum)

"""Erases a person: the key first, then what it had opened, then the signed record. May be killed and run again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.config import Settings
from infra.keys import subject_keys
from infra.pipeline import addresses, domains, signing_key
from producers.erasure.records import Erasure, read, signed, written
from producers.proof.keys import load_private, make
from schemas import Domain, NotFound, reach
from sinks.clickhouse import ClickHouse
from sinks.erasing import Rewriting


@dataclass(frozen=True)
class Plan:
    """What an erasure finds: the key's id, when it was erased (None: not yet), and rows by table that it has opened."""

    sealed_with: str
    erased: datetime | None
    rows: dict[str, int]


class Erasing:
    """Erases subjects of one domain; a context manager."""

    def __init__(self, settings: Settings, domain: Domain) -> None:
        at = addresses(settings, "postgres", "clickhouse")
        self._domain = domain
        self._signing = signing_key(settings)
        self._makes_key = not settings.signing_key
        self._keys = subject_keys(settings, at.postgres)
        self._clickhouse = ClickHouse(at.clickhouse)
        # A process manager may have passed a sealed value on into another domain.
        self._rewriting = Rewriting(self._clickhouse, list(domains(settings).values()))

    def __enter__(self) -> "Erasing":
        return self

    def __exit__(self, *_: object) -> None:
        self._clickhouse.close()
        self._keys.close()

    def plan(self, subject: str) -> Plan:
        """What there is to erase. Raises NotFound when the domain never had a personal value of the subject."""
        found = self._keys.erased(self._domain, subject)
        if found is None:
            raise NotFound(
                f"{self._domain.name} holds no personal data of {subject!r}, and never did",
                rule="unknown-subject",
                field="subject",
            )
        key, erased = found
        return Plan(key, erased, {table: self._rewriting.count(table, key) for table in self._rewriting.tables()})

    def erase(self, subject: str, say: Callable[[str], None] = lambda _: None) -> Erasure:
        """Erase the subject; answers the record. Doing so again looks again at all tables, and changes no record.

        `say` gets a sentence for each step. Raises NotFound, Unavailable, Fatal.
        """
        plan = self.plan(subject)
        if self._makes_key:
            make(self._signing)
        key = load_private(self._signing)
        self._keys.erase(self._domain, subject)
        reach("erase.dropped")
        say("its key is erased: whatever is sealed with it cannot be read again")
        self._keys.settle()
        reach("erase.settled")
        tables = self._rewriting.tables()
        for table in tables:
            say(f"{table}: {self._rewriting.erase(table, plan.sealed_with)} rows rewritten, no old files left")
        reach("erase.emptied")
        return self._record(subject, tables, key)

    def records(self) -> list[bytes]:
        """The records of the domain's erasures."""
        return self._keys.records(self._domain)

    def _record(self, subject: str, tables: Sequence[str], key: Ed25519PrivateKey) -> Erasure:
        found = self._keys.erased(self._domain, subject)
        assert found is not None
        sealed_with, erased = found
        assert erased is not None
        while True:
            before = self._keys.records(self._domain)
            for record in read(before):
                if record.subject == subject:
                    return record
            times = (erased, datetime.now(UTC))
            made = signed(self._domain, before, subject, sealed_with, times, tables, key)
            if self._keys.add_record(self._domain, made.number, subject, written(made)):
                reach("erase.recorded")
                return made

"""The keys of subjects, as the settings say where they and the master key are."""

from pathlib import Path

from infra.config import Settings
from producers.erasure import Sealer, SubjectKeys
from producers.erasure.master import load_master
from producers.handling.processing import Seal
from schemas import Domain


def master_key(settings: Settings) -> Path:
    """Where the master key lies, which wraps the subjects' keys."""
    named = Path(settings.subject_key).expanduser() if settings.subject_key else settings.home / "subject.key"
    return named.absolute()


def subject_keys(settings: Settings, postgres: str) -> SubjectKeys:
    """The keys in a database; connects, and reads or makes the master key, when a personal value comes first."""
    return SubjectKeys(postgres, lambda: load_master(master_key(settings)))


def seal_of(keys: SubjectKeys, domain: Domain) -> Seal | None:
    """What seals the commands of a domain; None when there is nothing personal in them."""
    return Sealer(domain, keys).seal if domain.holds_personal else None

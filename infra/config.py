"""The settings: one frozen object, read from `HEADRACE_*` in the environment. No other module reads it."""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

from schemas import Fatal

ROOT = Path(__file__).resolve().parent.parent
_TABLE_STORES = ("memory", "rocksdb")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. The environment variable of `x` is `HEADRACE_X`; each is annotated with a sentence."""

    home: Annotated[Path, "Directory of the embedded stack: data, logs and addresses."] = ROOT / ".headrace"
    kafka: Annotated[str, "Bootstrap servers of an existing Kafka, host:port; empty: the embedded one."] = ""
    postgres: Annotated[str, "URL of an existing PostgreSQL, postgresql://user:password@host:port/database."] = ""
    clickhouse: Annotated[str, "URL of an existing ClickHouse for loading, clickhouse://user:password@host:port/."] = ""
    clickhouse_reader: Annotated[str, "URL of the same ClickHouse with a read-only user; needed with the former."] = ""
    clickhouse_fsync: Annotated[
        Literal["off", "on"],
        "Whether ClickHouse syncs every insert of the sink to disk: off, or on, safe against a power cut and slower.",
    ] = "off"
    http_host: Annotated[str, "Address that the HTTP API listens on."] = "127.0.0.1"
    http_port: Annotated[int, "Port of the HTTP API; 0 takes any free one."] = 8000
    http_processes: Annotated[
        int,
        "Processes that serve the HTTP API on its port, for more commands than one core decides. What one of them "
        "knows of a stream is old once another has written it: best when clients keep a stream on one connection.",
    ] = 1
    domains: Annotated[str, "Names of the domains to serve, separated by commas; empty: all that there are."] = ""
    namespace: Annotated[
        str, "Prefix of all topics, databases and groups, so that installations can share servers."
    ] = ""
    table_store: Annotated[
        Literal["memory", "rocksdb"],
        "Where workers keep the rows of their tables: memory, or rocksdb for more rows than memory holds.",
    ] = "memory"
    signing_key: Annotated[
        str, "File of the private Ed25519 key that signs checkpoints; empty: signing.key in HEADRACE_HOME."
    ] = ""
    subject_key: Annotated[
        str,
        "File of the master key that wraps the keys of personal data, made at first use; the same for all processes; "
        "empty: subject.key in HEADRACE_HOME. Without it no personal value can be read again: back it up apart.",
    ] = ""
    checkpoint_seconds: Annotated[
        int, "How often the pipeline signs checkpoints into the topics of proofs; only with HEADRACE_SIGNING_KEY."
    ] = 60
    archive: Annotated[
        str, "Where events are archived: a directory, or a URL with s3://, gs:// or file://; empty: nowhere."
    ] = ""
    as_of_editions: Annotated[
        int, "How many editions of the past are kept for each domain; the one not read for the longest time goes first."
    ] = 4
    archive_seconds: Annotated[int, "How often the pipeline archives what is new; only with HEADRACE_ARCHIVE."] = 600
    stuck_seconds: Annotated[
        int,
        "Seconds after which a worker, relay or sink that gets no further, though it could, ends and is started again.",
    ] = 60
    log_level: Annotated[str, "How much the processes log: DEBUG, INFO, WARNING or ERROR."] = "INFO"
    crash_point: Annotated[
        str, "Name of a crash point, `name` or `name:n`, at which a process kills itself (tests)."
    ] = ""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"HEADRACE_{name.upper()}"


def variables(settings: Settings) -> dict[str, str]:
    """The settings as variables of an environment."""
    return {variable(name): str(value) for name, value in vars(settings).items() if str(value)}


def export(settings: Settings) -> None:
    """Put the settings into this process's environment, for those that it starts."""
    os.environ.update(variables(settings))


def sentences() -> dict[str, str]:
    """The sentence of each setting, by its name."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from the environment. Raises Fatal with a sentence that names the bad variable."""
    known = {variable(f.name): f for f in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    for name, text in environment.items():
        if not name.startswith("HEADRACE_") or not text:
            continue
        if name not in known:
            raise Fatal(f"{name} is no setting; there are {', '.join(sorted(known))}")
        setting = known[name]
        values[setting.name] = _parse(name, text, type(setting.default))
    settings = Settings(**values)
    _check(settings)
    return settings


def _parse(name: str, text: str, kind: type) -> Any:
    if kind is int:
        if not text.isdecimal():
            raise Fatal(f"{name} must be a number, not {text!r}")
        return int(text)
    if issubclass(kind, Path):
        return Path(text).expanduser().absolute()
    return text


def _check(settings: Settings) -> None:
    def require(good: bool, name: str, sentence: str) -> None:
        if not good:
            raise Fatal(f"{variable(name)} {sentence}, not {getattr(settings, name)!r}")

    require(settings.http_port < 65536, "http_port", "must be a port below 65536")
    require(1 <= settings.http_processes <= 64, "http_processes", "must be from 1 to 64")
    shared = settings.http_port > 0 or settings.http_processes == 1
    require(shared, "http_port", f"must be named when {variable('http_processes')} is more than 1")
    require(1 <= settings.checkpoint_seconds < 1_000_000, "checkpoint_seconds", "must be from 1 to 999999")
    require(1 <= settings.archive_seconds < 1_000_000, "archive_seconds", "must be from 1 to 999999")
    require(1 <= settings.as_of_editions <= 64, "as_of_editions", "must be from 1 to 64")
    require(settings.stuck_seconds >= 2, "stuck_seconds", "must be at least 2")
    require(settings.log_level in _LEVELS, "log_level", f"must be one of {', '.join(_LEVELS)}")
    require(settings.clickhouse_fsync in ("off", "on"), "clickhouse_fsync", "must be off or on")
    require(settings.table_store in _TABLE_STORES, "table_store", f"must be one of {', '.join(_TABLE_STORES)}")
    require(re.fullmatch(r"([a-z][a-z0-9_]*)?", settings.namespace) is not None, "namespace", "must be of a-z, 0-9, _")
    names = re.fullmatch(r"([a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*)?", settings.domains)
    require(names is not None, "domains", "must be names of domains with commas between them and no spaces")
    require(
        re.fullmatch(r"([^:,/\s]+:\d+)?(,[^:,/\s]+:\d+)*", settings.kafka) is not None, "kafka", "must be host:port"
    )
    for name, scheme in (
        ("postgres", "postgresql"),
        ("clickhouse", "clickhouse"),
        ("clickhouse_reader", "clickhouse"),
    ):
        url = urlsplit(getattr(settings, name))
        require(url.scheme in ("", scheme), name, f"must be a URL that starts with {scheme}://")
    if bool(settings.clickhouse) != bool(settings.clickhouse_reader):
        raise Fatal("HEADRACE_CLICKHOUSE and HEADRACE_CLICKHOUSE_READER must be set together")

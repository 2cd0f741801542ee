"""The settings: one frozen object, read from `HEADRACE_*` in the environment. No other module reads it."""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import urlsplit

from schemas import Fatal

ROOT = Path(__file__).resolve().parent.parent
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. The environment variable of `x` is `HEADRACE_X`; each is annotated with a sentence."""

    home: Annotated[Path, "Directory of the embedded stack: data, logs and addresses."] = ROOT / ".headrace"
    kafka: Annotated[str, "Bootstrap servers of an existing Kafka, host:port; empty: the embedded one."] = ""
    postgres: Annotated[str, "URL of an existing PostgreSQL, postgresql://user:password@host:port/database."] = ""
    clickhouse: Annotated[str, "URL of an existing ClickHouse for loading, clickhouse://user:password@host:port/."] = ""
    clickhouse_reader: Annotated[str, "URL of the same ClickHouse with a read-only user; needed with the former."] = ""
    http_host: Annotated[str, "Address that the HTTP API listens on."] = "127.0.0.1"
    http_port: Annotated[int, "Port of the HTTP API; 0 takes any free one."] = 8000
    namespace: Annotated[
        str, "Prefix of all topics, databases and groups, so that installations can share servers."
    ] = ""
    signing_key: Annotated[
        str, "File of the private Ed25519 key that signs checkpoints; empty: signing.key in HEADRACE_HOME."
    ] = ""
    log_level: Annotated[str, "How much the processes log: DEBUG, INFO, WARNING or ERROR."] = "INFO"
    crash_point: Annotated[
        str, "Name of a crash point, `name` or `name:n`, at which a process kills itself (tests)."
    ] = ""


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"HEADRACE_{name.upper()}"


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
    require(settings.log_level in _LEVELS, "log_level", f"must be one of {', '.join(_LEVELS)}")
    require(re.fullmatch(r"([a-z][a-z0-9_]*)?", settings.namespace) is not None, "namespace", "must be of a-z, 0-9, _")
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

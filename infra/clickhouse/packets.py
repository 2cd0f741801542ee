"""The packets of the native protocol, at the one revision that this server speaks."""

from dataclasses import dataclass

from infra.clickhouse.blocks import EMPTY
from infra.clickhouse.errors import code_and_message
from infra.clickhouse.source import Source, text, varint

# The first revision in which clients send bound parameters.
REVISION = 54459
VERSION = (26, 9, 1)

CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = range(5)
_HELLO, _DATA, _EXCEPTION, _PROGRESS, _PONG, _END, _PROFILE = range(7)

_PROFILE_EVENTS = 14
# Clients of this revision wait for one after each block of an insert; it has no events.
NO_PROFILE_EVENTS = varint(_PROFILE_EVENTS) + text("") + EMPTY
PONG = varint(_PONG)
END = varint(_END)


@dataclass(frozen=True)
class Hello:
    """A client's log-in."""

    revision: int
    database: str
    user: str
    password: str


@dataclass(frozen=True)
class Query:
    """A client's query; parameters are bound values as text, their quotes taken off."""

    text: str
    settings: dict[str, str]
    parameters: dict[str, str]
    compressed: bool


def read_hello(source: Source) -> Hello:
    source.text()
    source.varint(), source.varint()
    return Hello(source.varint(), source.text(), source.text(), source.text())


def read_addendum(source: Source) -> None:
    source.text()  # quota key


def read_query(source: Source) -> Query:
    """A query packet after its type. Layout: `TCPHandler::receiveQuery`, `ClientInfo::read`."""
    source.text()  # query id
    if source.number(1):
        _skip_client_info(source)
    settings = _read_settings(source)
    source.text()  # secret between servers
    source.varint()  # stage
    compressed = bool(source.varint())
    query = source.text()
    parameters = {name: _unquoted(value) for name, value in _read_settings(source).items()}
    return Query(query, settings, parameters, compressed)


def _skip_client_info(source: Source) -> None:
    for _ in range(3):
        source.text()  # initial user, query id, address
    source.skip(8 + 1)  # start time, interface
    for _ in range(3):
        source.text()  # system user, host, client
    for _ in range(3):
        source.varint()  # version, revision
    source.text()  # quota key
    source.varint(), source.varint()  # depth, patch
    if source.number(1):  # a trace
        source.skip(16 + 8)
        source.text()
        source.skip(1)
    for _ in range(3):
        source.varint()  # parallel replicas


def _read_settings(source: Source) -> dict[str, str]:
    settings = {}
    while name := source.text():
        source.varint()  # flags
        settings[name] = source.text()
    return settings


_ESCAPES = {"b": "\b", "f": "\f", "r": "\r", "n": "\n", "t": "\t", "0": "\0", "a": "\a", "v": "\v"}


def _unquoted(value: str) -> str:
    """The text of a quoted literal; one level of escapes is undone, the engine undoes the other."""
    if len(value) < 2 or value[0] != "'" or value[-1] != "'":
        return value
    parts, escaped = [], False
    for char in value[1:-1]:
        if escaped:
            parts.append(_ESCAPES.get(char, char))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            parts.append(char)
    return "".join(parts)


def hello(timezone: str) -> bytes:
    major, minor, patch = VERSION
    numbers = varint(major) + varint(minor) + varint(REVISION)
    return varint(_HELLO) + text("ClickHouse") + numbers + text(timezone) + text("headrace") + varint(patch)


def data_head() -> bytes:
    """What stands before a block: packet type, empty table name."""
    return varint(_DATA) + text("")


def exception(error: Exception) -> bytes:
    code, message = code_and_message(error)
    strings = text("DB::Exception") + text(f"DB::Exception: {message}") + text("")
    return varint(_EXCEPTION) + code.to_bytes(4, "little", signed=True) + strings + b"\x00"


def progress(rows: int = 0, size: int = 0, written_rows: int = 0, written_size: int = 0) -> bytes:
    total = 0
    return varint(_PROGRESS) + b"".join(map(varint, (rows, size, total, written_rows, written_size)))


def profile(rows: int, blocks: int, size: int) -> bytes:
    return varint(_PROFILE) + varint(rows) + varint(blocks) + varint(size) + b"\x00" + varint(0) + b"\x00"

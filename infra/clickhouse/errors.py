"""Errors of the server, and the form in which the engine's own errors go to the client."""

import re

from schemas import HeadraceError

_ENGINE = re.compile(r"Code: (\d+)\. (DB::[A-Za-z:]+?): (.*)", re.DOTALL)


class Disconnected(HeadraceError):
    """The client has gone; nothing can be answered."""


class ServerError(HeadraceError):
    """An error with a ClickHouse code, for the client. Codes: ClickHouse `src/Common/ErrorCodes.cpp`."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Unread(ServerError):
    """An error that leaves bytes of the client unread: the connection ends with its answer."""


READONLY = 164
NOT_IMPLEMENTED = 48
UNKNOWN_DATABASE = 81
AUTHENTICATION_FAILED = 516
UNEXPECTED_PACKET = 101


def code_and_message(error: Exception) -> tuple[int, str]:
    """ClickHouse code and message of any error; what has no code of its own is 1001 (STD_EXCEPTION)."""
    if isinstance(error, ServerError):
        return error.code, error.detail
    message = str(error)
    # A nested error repeats "Code: N. DB::Exception:"; the innermost is the cause.
    found = None
    while match := _ENGINE.search(message):
        found, message = int(match[1]), match[3]
    return (1001 if found is None else found), message

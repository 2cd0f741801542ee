"""The one root of all errors, named by what the caller does next.

Each error is a problem document (RFC 9457) in waiting: `status` and `title` belong to the class, `rule` names
the rule that was broken, `field` the place in the input, `detail` is a sentence for people.
"""


class HeadraceError(Exception):
    """Root of all errors of this system."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, *, rule: str = "", field: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.rule = rule
        self.field = field
        self.retry_after = retry_after


class Invalid(HeadraceError):
    """The input does not fit the contract. Mend the named field and send it again."""

    status = 422
    title = "Invalid input"


class Malformed(Invalid):
    """The input is not JSON at all. Mend it and send it again."""

    status = 400
    title = "Malformed JSON"


class TooLarge(HeadraceError):
    """The input is larger than the stated limit. Split it."""

    status = 413
    title = "Too large"


class NotFound(HeadraceError):
    """The thing that was asked for does not exist."""

    status = 404
    title = "Not found"


class Gone(HeadraceError):
    """What was asked for was there once, and is not kept any more."""

    status = 410
    title = "Gone"


class Refused(HeadraceError):
    """A rule of the domain forbids the command in the present state. `rule` names it."""

    status = 409
    title = "Refused"


class Conflict(HeadraceError):
    """Someone else wrote first. Reload the state and decide again."""

    status = 409
    title = "Conflict"


class VersionMismatch(Conflict):
    """The version that the client expected is not the stream's version. Reload, then retry."""

    status = 412
    title = "Version mismatch"


class Unavailable(HeadraceError):
    """A server that is needed does not answer. Retry after `retry_after` seconds."""

    status = 503
    title = "Temporarily unavailable"


class Busy(HeadraceError):
    """More is under way than can be held. Send it again after `retry_after` seconds."""

    status = 429
    title = "Too many requests"


class Fatal(HeadraceError):
    """Going on would lose, double or alter events. The process stops; an operator must look."""

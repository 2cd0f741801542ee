"""Seals the personal fields of commands before anything else sees them: rules, hashes, answers, logs."""

from collections.abc import Sequence

import msgspec

from producers.erasure.keys import SubjectKeys
from producers.erasure.sealing import Key
from producers.handling.requests import Request
from schemas import PROCESS_PREFIX, SEALED_PREFIX, Domain, HeadraceError, Invalid, Refused, encode, personal_fields

SUBJECT_ERASED = "subject-erased"
_MARK = SEALED_PREFIX.encode()
# Field, value to seal, subject.
_Value = tuple[str, str, str]


class Sealer:
    """Seals the commands of one domain with the keys of their subjects."""

    def __init__(self, domain: Domain, keys: SubjectKeys) -> None:
        self._domain = domain
        self._keys = keys
        self._fields = {kind: personal_fields(kind) for kind in domain.commands}

    def seal(self, requests: Sequence[Request]) -> dict[int, HeadraceError]:
        """Put sealed values into the requests' commands; answers what refuses some, by their index.

        Refused are commands with personal values of a subject that was erased, and those of clients that hold what
        looks sealed already. Raises Unavailable.
        """
        refused: dict[int, HeadraceError] = {}
        due: dict[int, list[_Value]] = {}
        for index, request in enumerate(requests):
            if request.sealed:
                continue
            if _MARK in encode(request.command) and not request.id.startswith(PROCESS_PREFIX):
                refused[index] = _looks_sealed()
            elif values := self._values(request):
                due[index] = values
        if due:
            subjects = {subject for values in due.values() for _, _, subject in values}
            keys = self._keys.of(self._domain, subjects)
            for index, values in due.items():
                if (refusal := _seal(requests[index], values, keys)) is not None:
                    refused[index] = refusal
        return refused

    def _values(self, request: Request) -> list[_Value]:
        command = request.command
        return [
            (field, value, getattr(command, subject))
            for field, subject in self._fields.get(type(command), {}).items()
            if (value := getattr(command, field)) is not None and not value.startswith(SEALED_PREFIX)
        ]


def _seal(request: Request, values: list[_Value], keys: dict[str, Key | None]) -> HeadraceError | None:
    sealed = {}
    for field, value, subject in values:
        key = keys[subject]
        if key is None:
            return Refused(
                f"the personal data of {subject} was erased; nothing personal is stored of it any more",
                rule=SUBJECT_ERASED,
                field=field,
            )
        sealed[field] = key.seal(value)
    request.command = msgspec.structs.replace(request.command, **sealed)
    request.sealed = True
    return None


def _looks_sealed() -> Invalid:
    return Invalid(f"the command holds {SEALED_PREFIX!r}, which only sealed values do", rule="sealed-value")

"""Personal fields: marked in a command's type, sealed with a key of their subject's before anything is stored.

A sealed value is the text `~sealed:<key id>:<ciphertext>`, both parts in URL-safe base64 without padding. It stands
wherever the value would: in events, states, aggregates, on every topic. Rules and folds pass it on and may compare it
(of one subject, equal values are sealed alike); what it says is known to nobody who has not the subject's key.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Meta

SEALED_PREFIX = "~sealed:"
# A sealed value in text and in JSON; its groups are the key's id and the ciphertext.
SEALED = re.compile(r"~sealed:([\w-]{16}):([\w-]+)", re.ASCII)
SEALED_BYTES = re.compile(SEALED.pattern.encode())
# What stands where a value was whose key was erased.
ERASED = "[erased]"
_MARK = "personal"


def personal(subject: str) -> Meta:
    """Marks a command's field as personal: `Annotated[str, Meta(max_length=200), personal("customer_id")]`.

    `subject` is the field of the same command that names whom the value is about. The JSON Schema says it, too, as
    `x-personal`. Fields of type str, or str and None, can be personal, and only those of the command itself.
    """
    return Meta(extra={_MARK: subject}, extra_json_schema={"x-personal": subject})


@cache
def personal_fields(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """The personal fields of a command, each with the field that names its subject.

    Raises ValueError for a mark that cannot be kept.
    """
    found: dict[str, str] = {}
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    fields = {field.name: field.type for field in info.fields}
    for name, type_ in fields.items():
        subject = _mark(type_)
        if subject is None:
            if _marked_within(type_, {kind}):
                raise ValueError(
                    f"{kind.__name__}.{name}: only a command's own fields can be personal, not parts of them"
                )
            continue
        if not _is_text(type_):
            raise ValueError(f"{kind.__name__}.{name}: a personal field must be of type str, or str | None")
        if subject not in fields or _mark(fields[subject]) is not None or not _is_text(fields[subject], optional=False):
            raise ValueError(f"{kind.__name__}.{name}: {subject!r} is no field of it that names a subject with a str")
        found[name] = subject
    return MappingProxyType(found)


def _mark(type_: msgspec.inspect.Type) -> str | None:
    if isinstance(type_, msgspec.inspect.Metadata):
        return (type_.extra or {}).get(_MARK) or _mark(type_.type)
    if isinstance(type_, msgspec.inspect.UnionType):  # `Annotated[str, personal(...)] | None`
        return next(filter(None, map(_mark, type_.types)), None)
    return None


def _bare(type_: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return _bare(type_.type) if isinstance(type_, msgspec.inspect.Metadata) else type_


def _is_text(type_: msgspec.inspect.Type, *, optional: bool = True) -> bool:
    bare = _bare(type_)
    if isinstance(bare, msgspec.inspect.UnionType) and optional:
        kinds = [_bare(each) for each in bare.types]
        return len(kinds) == 2 and any(map(_is_str, kinds)) and any(map(_is_none, kinds))
    return _is_str(bare)


def _is_str(type_: msgspec.inspect.Type) -> bool:
    return isinstance(type_, msgspec.inspect.StrType)


def _is_none(type_: msgspec.inspect.Type) -> bool:
    return isinstance(type_, msgspec.inspect.NoneType)


def _marked_within(type_: Any, seen: set[Any]) -> bool:
    """Whether a mark is somewhere inside of a type."""
    if isinstance(type_, msgspec.inspect.Metadata):
        return _mark(type_) is not None or _marked_within(type_.type, seen)
    if isinstance(type_, msgspec.inspect.StructType):
        if type_.cls in seen:
            return False
        return any(_marked_within(field.type, seen | {type_.cls}) for field in type_.fields)
    parts: list[Any] = []
    for name in ("types", "item_types", "item_type", "key_type", "value_type"):
        part = getattr(type_, name, ())
        parts += part if isinstance(part, tuple) else [part]
    return any(_marked_within(part, seen) for part in parts if isinstance(part, msgspec.inspect.Type))

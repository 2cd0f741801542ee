"""What differs between two JSON Schemas, and whether data of one still fits the other.

It knows the part of JSON Schema that msgspec writes. Rules of a type's own code (a sum, a scale) are not in a schema:
the scan of history finds what they break.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas import Schema

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "multipleOf")
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}


@dataclass(frozen=True)
class Difference:
    """One difference at a JSON path. `old_data` says that data of the old schema may not fit the new one, `new_data`
    that data of the new schema may not fit the old one."""

    path: str
    what: str
    old_data: bool
    new_data: bool


def differences(old: Schema, new: Schema) -> list[Difference]:
    """All differences, in the order of the fields."""
    return list(_Comparison(old.get("$defs", {}), new.get("$defs", {})).nodes(old, new, "$"))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._met: set[tuple[str, str]] = set()

    def nodes(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        names = old.get("$ref", ""), new.get("$ref", "")
        if all(names):
            if names in self._met:
                return  # a type that contains itself
            self._met.add(names)
        befores, afters = _alternatives(old, self._old), _alternatives(new, self._new)
        yield from _types(befores, afters, path)
        for kind in befores.keys() & afters.keys():
            yield from self._details(befores[kind], afters[kind], path)
        self._met.discard(names)

    def _details(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        yield from _values(old, new, path)
        yield from _constraints(old, new, path)
        if "items" in old or "items" in new:
            yield from self._open(old.get("items", True), new.get("items", True), f"{path}[*]")
        firsts = zip(old.get("prefixItems", ()), new.get("prefixItems", ()), strict=False)
        for number, (before, after) in enumerate(firsts):
            yield from self.nodes(before, after, f"{path}[{number}]")
        if "properties" in old or "properties" in new:
            yield from self._fields(old, new, path)
        yield from self._open(old.get("additionalProperties", True), new.get("additionalProperties", True), f"{path}.*")

    def _open(self, old: Schema | bool, new: Schema | bool, path: str) -> Iterator[Difference]:
        """Items or unknown fields: forbidden (False), whatever they are (True), or of a schema."""
        if isinstance(old, dict) and isinstance(new, dict):
            yield from self.nodes(old, new, path)
        elif old is not False and new is False:
            yield Difference(path, "refused now, was allowed", True, False)
        elif old is False and new is not False:
            yield Difference(path, "allowed now, was refused", False, False)
        elif old != new:
            yield from self.nodes(old if isinstance(old, dict) else {}, new if isinstance(new, dict) else {}, path)

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        befores, afters = old.get("properties", {}), new.get("properties", {})
        must_before, must_after = set(old.get("required", ())), set(new.get("required", ()))
        shut_before, shut_after = (each.get("additionalProperties") is False for each in (old, new))
        for name, field in befores.items():
            at = f"{path}.{name}"
            if name not in afters:
                yield Difference(at, "field removed", shut_after, name in must_before)
                continue
            if name in must_after - must_before:
                yield Difference(at, "became required", True, False)
            elif name in must_before - must_after:
                # A default is written out; what is UNSET is not.
                yield Difference(at, "became optional", False, "default" not in afters[name])
            elif field.get("default") != afters[name].get("default"):
                was, now = field.get("default"), afters[name].get("default")
                yield Difference(at, f"default changed from {was!r} to {now!r}", False, False)
            yield from self.nodes(field, afters[name], at)
        for name in (name for name in afters if name not in befores):
            required = name in must_after
            what = "required field added" if required else "field added with a default"
            yield Difference(f"{path}.{name}", what, required, shut_before)


def _alternatives(node: Schema, named: Schema) -> dict[str, Schema]:
    """The types that a node allows, each with its schema; `any` for whatever."""
    if "$ref" in node:
        return _alternatives(named[node["$ref"].rpartition("/")[2]], named)
    if "anyOf" in node:
        return {kind: each for part in node["anyOf"] for kind, each in _alternatives(part, named).items()}
    if "type" in node:
        tag = node.get("properties", {}).get("type", {}).get("enum", [""])[0]
        return {f"{node['type']} {tag}".rstrip(): node}
    found: dict[str, Schema] = {}
    for value in [node["const"]] if "const" in node else node.get("enum", ()):
        found.setdefault(_TYPES[type(value)], {"enum": []})["enum"].append(value)
    return found or {"any": node}


def _types(old: dict[str, Schema], new: dict[str, Schema], path: str) -> Iterator[Difference]:
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    was, now = (" or ".join(sorted(kinds)) for kinds in (old, new))
    if not gone and not come:
        return
    changed = f"from {was} to {now}"
    if come == ["any"] or not gone or (gone, come) == (["integer"], ["number"]):
        yield Difference(path, f"type widened {changed}", False, True)
    elif gone == ["any"] or not come or (gone, come) == (["number"], ["integer"]):
        yield Difference(path, f"type narrowed {changed}", True, False)
    else:
        yield Difference(path, f"type changed {changed}", True, True)


def _values(old: Schema, new: Schema, path: str) -> Iterator[Difference]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield Difference(path, f"narrowed to the values {_listed(after)}", True, False)
    elif before is not None and after is None:
        yield Difference(path, f"widened from the values {_listed(before)} to any", False, True)
    elif before is not None and after is not None:
        if gone := [value for value in before if value not in after]:
            yield Difference(path, f"values removed: {_listed(gone)}", True, False)
        if come := [value for value in after if value not in before]:
            yield Difference(path, f"values added: {_listed(come)}", False, True)


def _constraints(old: Schema, new: Schema, path: str) -> Iterator[Difference]:
    for name in (*_LEAST, *_MOST, *_EXACT):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        what = f"{name} {_said(before)} is now {_said(after)}"
        tighter, looser = before is None, after is None
        if before is not None and after is not None:
            tighter = name in _EXACT or (after > before) == (name in _LEAST)
            looser = name in _EXACT or not tighter
        word = "changed" if tighter and looser else "tightened" if tighter else "loosened"
        yield Difference(path, f"constraint {word}: {what}", tighter, looser)


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _listed(values: list[Any]) -> str:
    return ", ".join(str(value) for value in values)

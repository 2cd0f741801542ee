"""The difference between two JSON values."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.history import changes


def listed(before: Any, after: Any) -> Any:
    return msgspec.to_builtins(list(changes(before, after)))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"path": "/a", "from": 1, "to": 2}]),
        ({"a": 1}, {}, [{"path": "/a", "from": 1}]),
        ({}, {"a": None}, [{"path": "/a", "to": None}]),
        (
            {"a": {"b": [1, 2]}},
            {"a": {"b": [1, 3, 4]}},
            [
                {"path": "/a/b/1", "from": 2, "to": 3},
                {"path": "/a/b/2", "to": 4},
            ],
        ),
        ([1, 2], [1], [{"path": "/1", "from": 2}]),
        ({"a/b~c": 1}, {"a/b~c": 2}, [{"path": "/a~1b~0c", "from": 1, "to": 2}]),
        (None, {"a": 1}, [{"path": "", "to": {"a": 1}, "from": None}]),
        ({"a": 1}, {"a": True}, [{"path": "/a", "from": 1, "to": True}]),
        ({"a": {}}, {"a": []}, [{"path": "/a", "from": {}, "to": []}]),
    ],
)
def test_each_field_that_differs_is_named(before: Any, after: Any, expected: Any) -> None:
    assert listed(before, after) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("a/~", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def at(value: Any, path: str) -> Any:
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (IndexError, KeyError):
            return "missing"
    return value


@given(JSON, JSON)
def test_every_change_holds_what_either_value_has_there(before: Any, after: Any) -> None:
    found = listed(before, after)
    assert bool(found) == (msgspec.json.encode(before, order="sorted") != msgspec.json.encode(after, order="sorted"))
    for change in found:
        assert at(before, change["path"]) == change.get("from", "missing")
        assert at(after, change["path"]) == change.get("to", "missing")
    # As JSON: 0 and false are equal for Python.
    assert msgspec.json.encode(listed(after, before)) != msgspec.json.encode(found) or not found

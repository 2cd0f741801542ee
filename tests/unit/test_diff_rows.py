"""Rows of two versions compared: every key that differs is counted once, by what became of it."""

from typing import Any

from hypothesis import given as for_all
from hypothesis import strategies as st

from infra.diff.compare import compare
from schemas import encode

values = st.fixed_dictionaries({"a": st.integers(0, 2)}, optional={"b": st.none() | st.integers(0, 1)})
tables = st.dictionaries(st.sampled_from("klmnop"), st.tuples(st.integers(1, 2), values), max_size=6)
Table = dict[str, tuple[int, dict[str, Any]]]


def parts(table: Table, count: int) -> list[list[tuple[bytes, bytes]]]:
    """The rows as they are written: dealt to partitions, sorted by key in each."""
    rows = sorted((k.encode(), encode({"position": p, "data": v})) for k, (p, v) in table.items())
    return [rows[number::count] for number in range(count)]


@for_all(old=tables, new=tables, before=st.integers(1, 3), after=st.integers(1, 3), limit=st.integers(0, 7))
def test_a_comparison_counts_what_a_look_at_each_key_finds(
    old: Table, new: Table, before: int, after: int, limit: int
) -> None:
    found = compare("t", parts(old, before), parts(new, after), limit)
    added, removed = new.keys() - old.keys(), old.keys() - new.keys()
    changed = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert (found.rows, found.added, found.removed, found.changed) == (len(new), len(added), len(removed), len(changed))
    assert [each.key for each in found.first] == sorted(added | removed | changed)[:limit]
    was = {key: {**old[key][1], "(position)": old[key][0]} for key in changed}
    now = {key: {**new[key][1], "(position)": new[key][0]} for key in changed}
    for name in ("a", "b", "(position)"):
        assert found.columns[name] == sum(
            (name in was[key], was[key].get(name)) != (name in now[key], now[key].get(name)) for key in changed
        )

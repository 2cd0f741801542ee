"""What waits to be folded while its partition commits."""

from hypothesis import given
from hypothesis import strategies as st

from streams.changes import Record
from streams.group import Place
from streams.reading import CHUNK_BYTES, CHUNK_RECORDS, Chunk
from streams.waiting import Waiting

A, B = ("events", 0), ("events", 1)
ENOUGH = CHUNK_RECORDS // 4


def chunk(start: int, count: int, size: int = 0) -> Chunk:
    """A chunk of so many records from an offset on, and the marker of their transaction."""
    return Chunk([Record(b"key", b"x" * size, start + n) for n in range(count)], start, start + count + 1)


def nobody(_: Place) -> bool:
    return False


def everybody(_: Place) -> bool:
    return True


def test_what_comes_while_a_partition_commits_becomes_one_chunk() -> None:
    waiting = Waiting()
    for start in range(0, 300, 3):
        waiting.add(A, chunk(start, 2))
        assert waiting.take(everybody) is None
    found = waiting.take(nobody)
    assert found is not None
    place, joined = found
    assert (place, joined.start, joined.end, len(joined.records)) == (A, 0, 300, 200)
    assert waiting.take(nobody) is None
    assert not list(waiting.places)


def test_a_partition_that_commits_keeps_no_other_one_waiting() -> None:
    waiting = Waiting()
    waiting.add(A, chunk(0, 1))
    waiting.add(B, chunk(0, 1))
    found = waiting.take(lambda place: place == A)
    assert found is not None
    assert found[0] == B
    assert list(waiting.places) == [A]


def test_enough_for_a_transaction_does_not_wait_for_the_one_before() -> None:
    waiting = Waiting()
    waiting.add(A, chunk(0, ENOUGH - 1))
    assert waiting.take(everybody) is None
    waiting.add(A, chunk(ENOUGH, 1))
    assert waiting.take(everybody) == (
        A,
        Chunk([*chunk(0, ENOUGH - 1).records, *chunk(ENOUGH, 1).records], 0, ENOUGH + 2),
    )
    waiting.add(B, chunk(0, 1, CHUNK_BYTES // 4))
    assert waiting.take(everybody) is not None


def test_a_partition_with_much_does_not_keep_the_others_from_their_turn() -> None:
    waiting = Waiting()
    for start in range(0, 5 * CHUNK_RECORDS, CHUNK_RECORDS):
        waiting.add(A, chunk(start, CHUNK_RECORDS - 1))
    waiting.add(B, chunk(0, 1))
    taken = [found[0] for _ in range(6) if (found := waiting.take(nobody))]
    assert taken == [A, B, A, A, A, A]


def test_reading_stops_at_what_one_chunk_holds_and_what_is_taken_or_forgotten_counts_no_more() -> None:
    waiting, full = Waiting(), []
    waiting.add(A, chunk(0, CHUNK_RECORDS - 1))
    full.append(waiting.is_full)
    waiting.add(B, chunk(0, 1))
    full.append(waiting.is_full)
    waiting.clear()
    full.append(waiting.is_full)
    waiting.add(A, chunk(0, 1, CHUNK_BYTES))
    full.append(waiting.is_full)
    assert waiting.take(everybody) is not None
    full.append(waiting.is_full)
    assert full == [False, True, False, True, False]


@given(st.lists(st.tuples(st.integers(1, 9_000), st.sampled_from([0, 700]), st.booleans()), min_size=1, max_size=20))
def test_joined_chunks_have_all_records_once_and_stay_below_the_limits(steps: list[tuple[int, int, bool]]) -> None:
    waiting, start, given_, taken = Waiting(), 0, list[Chunk](), list[Chunk]()
    for count, size, takes in steps:
        given_.append(chunk(start, count, size))
        start = given_[-1].end
        waiting.add(A, given_[-1])
        if takes and (found := waiting.take(everybody)):
            taken.append(found[1])
    while found := waiting.take(nobody):
        taken.append(found[1])
    assert [record for each in taken for record in each.records] == [
        record for each in given_ for record in each.records
    ]
    assert [each.start for each in taken] == [0, *(each.end for each in taken[:-1])]
    assert taken[-1].end == start
    for each in taken:
        size = sum(len(record.value or b"") for record in each.records)
        assert len(each.records) <= CHUNK_RECORDS
        assert size <= CHUNK_BYTES

"""Repair of deduplication logs, on planted files."""

from pathlib import Path

import pytest

from infra.clickhouse.repair import repair


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table's directory with an empty log directory."""
    table = tmp_path / "store.d" / "store" / "abc" / "abcdef"
    (table / "deduplication_logs").mkdir(parents=True)
    return table


def plant(table: Path, log: str, *parts: str, number: int = 1) -> Path:
    for part in parts:
        (table / part).mkdir()
    file = table / "deduplication_logs" / f"deduplication_log_{number}.txt"
    file.write_text(log)
    return file


FIRST = "1\tall_1_1_0\tall_a\n"
SECOND = "1\tall_2_2_0\tall_b\n"


def test_a_last_record_without_its_part_is_taken_out(tmp_path: Path, table: Path) -> None:
    file = plant(table, FIRST + SECOND, "all_1_1_0")
    assert repair(tmp_path) == ["all_2_2_0"]
    assert file.read_text() == FIRST


def test_a_record_whose_part_is_there_stays(tmp_path: Path, table: Path) -> None:
    file = plant(table, FIRST + SECOND, "all_1_1_0", "all_2_2_0")
    assert repair(tmp_path) == []
    assert file.read_text() == FIRST + SECOND


@pytest.mark.parametrize("merged", ["all_1_2_1", "all_0_9_3", "all_2_2_0_17"])
def test_a_record_whose_part_was_merged_or_mutated_stays(tmp_path: Path, table: Path, merged: str) -> None:
    file = plant(table, FIRST + SECOND, merged)
    assert repair(tmp_path) == []
    assert file.read_text() == FIRST + SECOND


@pytest.mark.parametrize(
    "other", ["all_3_4_1", "all_0_1_1", "other_2_2_0", "tmp_insert_all_2_2_0", "detached", "delete_tmp_all_2_2_0"]
)
def test_another_part_does_not_cover_it(tmp_path: Path, table: Path, other: str) -> None:
    file = plant(table, FIRST + SECOND, "all_1_1_0", other)
    assert repair(tmp_path) == ["all_2_2_0"]
    assert file.read_text() == FIRST


def test_partitions_with_dashes_are_told_apart(tmp_path: Path, table: Path) -> None:
    log = "1\t2020-01-7_2_2_0\tx\n"
    file = plant(table, log, "2020-01-7_1_3_1")
    assert repair(tmp_path) == []
    (table / "2020-01-7_1_3_1").rename(table / "2020-01-8_1_3_1")
    assert repair(tmp_path) == ["2020-01-7_2_2_0"]
    assert file.read_text() == ""


@pytest.mark.parametrize("torn", ["1", "1\tall_2", "1\tall_2_2_0\tal", "1\tall_2_2_0\tall_b", "\x00\x00\x00"])
def test_a_torn_last_line_is_taken_out(tmp_path: Path, table: Path, torn: str) -> None:
    file = plant(table, FIRST + torn, "all_1_1_0")
    assert len(repair(tmp_path)) == 1
    assert file.read_text() == FIRST


def test_bytes_that_are_no_text_are_a_torn_line_too(tmp_path: Path, table: Path) -> None:
    file = plant(table, "", "all_1_1_0")
    file.write_bytes(FIRST.encode() + b"1\tall_\xff\xfe")
    assert len(repair(tmp_path)) == 1
    assert file.read_text() == FIRST


def test_behind_a_torn_line_an_uncovered_record_is_found_too(tmp_path: Path, table: Path) -> None:
    file = plant(table, FIRST + SECOND + "1\tall_3", "all_1_1_0")
    repair(tmp_path)
    assert file.read_text() == FIRST


def test_a_record_of_a_removal_stays(tmp_path: Path, table: Path) -> None:
    file = plant(table, FIRST + "2\tall_1_1_0\tall_a\n")
    assert repair(tmp_path) == []
    assert file.read_text() == FIRST + "2\tall_1_1_0\tall_a\n"


def test_all_last_records_without_their_parts_are_taken_out(tmp_path: Path, table: Path) -> None:
    # Those of an insert into several partitions, over the end of one log and the begin of the next.
    first = plant(table, FIRST + SECOND, "all_1_1_0")
    second = plant(table, "1\tp_3_3_0\tp_c\n1\tq_4_4_0\tq_c\n", number=2)
    assert repair(tmp_path) == ["q_4_4_0", "p_3_3_0", "all_2_2_0"]
    assert (first.read_text(), second.read_text()) == (FIRST, "")


def test_a_record_before_a_covered_one_is_not_judged(tmp_path: Path, table: Path) -> None:
    # Older parts may have been dropped with their rows on purpose.
    file = plant(table, FIRST + SECOND, "all_2_2_0")
    assert repair(tmp_path) == []
    assert file.read_text() == FIRST + SECOND


def test_the_last_record_stands_in_the_newest_log_that_has_one(tmp_path: Path, table: Path) -> None:
    ninth = plant(table, FIRST, "all_1_1_0", number=9)
    tenth = plant(table, SECOND, number=10)
    plant(table, "", number=11)
    assert repair(tmp_path) == ["all_2_2_0"]
    assert (ninth.read_text(), tenth.read_text()) == (FIRST, "")


def test_a_second_repair_finds_nothing_to_do(tmp_path: Path, table: Path) -> None:
    file = plant(table, FIRST + SECOND, "all_1_1_0")
    repair(tmp_path)
    assert repair(tmp_path) == []
    assert file.read_text() == FIRST
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_every_table_is_repaired(tmp_path: Path, table: Path) -> None:
    plant(table, FIRST)
    other = table.parent / "other"
    (other / "deduplication_logs").mkdir(parents=True)
    plant(other, SECOND)
    assert sorted(repair(tmp_path)) == ["all_1_1_0", "all_2_2_0"]


def test_without_logs_there_is_nothing_to_do(tmp_path: Path, table: Path) -> None:
    (table / "deduplication_logs").rmdir()
    assert repair(tmp_path) == []
    assert repair(tmp_path / "missing") == []


def test_an_empty_log_stays_as_it_is(tmp_path: Path, table: Path) -> None:
    file = plant(table, "")
    assert repair(tmp_path) == []
    assert file.read_text() == ""

"""Names that no new domain may have: each is refused with a sentence before anything is written."""

from pathlib import Path

import pytest

from infra.scaffold import write_domain
from schemas import Invalid


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Orders", "use a-z, 0-9 and _"),
        ("", "use a-z, 0-9 and _"),
        ("../notes", "use a-z, 0-9 and _"),
        ("a" * 41, "40 at most"),
        ("orders", "there is a domain 'orders' already"),
        ("orders_v2", "mark a projection version"),
        ("class", "means something else"),
        ("system", "means something else"),
        ("config", "tests/unit/test_config.py is there already"),
    ],
)
def test_a_bad_or_taken_name_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    there = tmp_path / "tests" / "unit" / "test_config.py"
    there.parent.mkdir(parents=True)
    there.touch()
    with pytest.raises(Invalid, match=sentence):
        write_domain(name, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [there]


def test_a_good_name_makes_the_files_of_all_stages(tmp_path: Path) -> None:
    made = {str(path.relative_to(tmp_path)) for path in write_domain("reading_list", tmp_path)}
    assert {
        "schemas/reading_list.py",
        "producers/domains/reading_list.py",
        "streams/domains/reading_list.py",
        "sinks/domains/reading_list/__init__.py",
        "tests/unit/test_reading_list.py",
    } < made
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "@name@" in path.read_text().lower()]

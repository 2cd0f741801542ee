"""The demos: found by themselves, complete, and honest when an answer differs."""

from itertools import islice
from typing import Any

import pytest

from infra.demo.demo import Demo, Fed, Until
from infra.demo.found import demo_of, demos
from infra.demo.run import Outcome
from infra.demo.watch import Watched
from infra.positions import Hops, Positions
from schemas import Invalid, Unavailable, discover

EACH = pytest.mark.parametrize("demo", demos().values(), ids=lambda demo: demo.name)


@EACH
def test_a_demo_needs_domains_that_there_are(demo: Demo[Any]) -> None:
    assert demo.domains
    assert set(demo.domains) <= set(discover())


@EACH
def test_the_commands_of_a_demo_are_the_same_in_every_run(demo: Demo[Any]) -> None:
    first = _fed(demo)
    assert first[:5000] == _fed(demo, 5000)
    assert len({(domain, id_) for domain, id_, _ in first}) == len(first) > 0
    assert {domain for domain, _, _ in first} <= set(demo.domains)


def _fed(demo: Demo[Any], most: int | None = None) -> list[Fed]:
    return list(islice((each for each in demo.commands(demo.read()) if not isinstance(each, Until)), most))


@EACH
def test_what_is_expected_can_be_shown(demo: Demo[Any]) -> None:
    assert demo.show(demo.expected(demo.read()))


def test_an_unknown_demo_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match=r"no demo 'nope'; there are .*orders"):
        demo_of("nope")


def test_an_answer_that_differs_is_named() -> None:
    found = {"a": 1, "b": 2, "more": 3}
    outcome = Outcome(1, 1, 0, {}, 1.0, found=found, expected={"a": 1, "b": 3, "less": 4})
    assert not outcome.exact
    assert outcome.difference == {
        "b": {"found": 2, "expected": 3},
        "less": {"found": None, "expected": 4},
        "more": {"found": 3, "expected": None},
    }


class _Hops(Hops):
    """Answers, or fails, as it was told; three events were accepted before."""

    def __init__(self, *answers: Positions | Unavailable) -> None:
        self._answers = iter(answers)

    def accepted(self) -> int:
        return 3

    def positions(self) -> Positions:
        answer = next(self._answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer


def test_a_demo_begins_before_the_hops_can_be_asked_and_ends_when_all_have_everything() -> None:
    hops = _Hops(Unavailable("Kafka: Not coordinator"), Positions(5, 5, 5, 4), Positions(5, 5, 5, 5))
    watched = Watched({"orders": hops})
    with pytest.raises(Unavailable):
        watched.look(sent=True)
    assert not watched.look(sent=True)
    assert watched.look(sent=True)
    assert watched.done("loaded") == 2

"""The small parts of the worker: its identity, its quiet logs."""

import logging
from pathlib import Path

import pytest

from streams.identity import instance
from streams.quiet import Seldom


def test_workers_that_share_a_directory_have_different_identities(tmp_path: Path) -> None:
    with instance(tmp_path, "app") as one, instance(tmp_path, "app") as two, instance(tmp_path, "other") as other:
        assert len({one, two, other}) == 3


def test_a_worker_that_is_started_again_has_the_identity_it_had(tmp_path: Path) -> None:
    with instance(tmp_path, "app") as first:
        pass
    with instance(tmp_path, "app") as again:
        assert again == first


def test_the_identity_of_one_that_ended_is_free_while_another_keeps_its_own(tmp_path: Path) -> None:
    first = instance(tmp_path, "app")
    ended = first.__enter__()
    with instance(tmp_path, "app") as kept:
        first.__exit__(None, None, None)
        with instance(tmp_path, "app") as taken:
            assert taken == ended != kept


def test_a_message_that_repeats_is_passed_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("talkative")
    seldom = Seldom()
    logger.addFilter(seldom)
    for attempt in range(3):
        logger.warning("no answer, attempt %d", attempt)
    logger.warning("something else")
    seldom._passed.clear()
    logger.warning("no answer, attempt %d", 3)
    assert caplog.messages == ["no answer, attempt 0", "something else", "no answer, attempt 3"]

"""The settings of the topics come from the domain."""

from dataclasses import replace
from datetime import timedelta

import pytest

from infra.topics import topics_of
from schemas import discover


@pytest.mark.parametrize(("kept", "milliseconds"), [(None, "604800000"), (timedelta(hours=36), "129600000")])
def test_commands_and_replies_are_kept_as_long_as_the_domain_says(kept: timedelta | None, milliseconds: str) -> None:
    domain = discover("kept")["orders"]
    domain = domain if kept is None else replace(domain, intake_retention=kept)
    found = {topic.topic: topic.config or {} for topic in topics_of(domain)}
    assert {found[name]["retention.ms"] for name in (domain.commands_topic, domain.replies_topic)} == {milliseconds}
    assert {found[name]["retention.ms"] for name in (domain.events_topic, domain.command_dead_letters_topic)} == {"-1"}


def test_answers_are_not_gone_before_they_can_be_read() -> None:
    with pytest.raises(ValueError, match="intake_retention"):
        replace(discover("kept")["orders"], intake_retention=timedelta(0))

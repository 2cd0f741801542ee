"""The rules of the social network: given these commands, when this one comes, then these events or this refusal."""

from datetime import timedelta

import pytest

from producers.domains.social import DECIDER
from producers.domains.social.talk import DEEPEST
from schemas import Command, Event, HeadraceError, NotFound, Refused
from schemas.social import DOMAIN
from schemas.social.commands import ChangeHandle
from schemas.social.events import (
    CommentAdded,
    CommentDeleted,
    Followed,
    FollowerGained,
    FollowerLost,
    HandleChanged,
    PostDeleted,
    PostEdited,
    PostLiked,
    PostPublished,
    PostUnliked,
    Unfollowed,
    UserRegistered,
)
from tests.network import (
    MINUTE,
    NOON,
    comment,
    delete,
    edit,
    follow,
    like,
    publish,
    uncomment,
    unfollow,
    unlike,
    user,
)
from tests.world import World

NOW = NOON + timedelta(days=30)
THREE = (user("ann"), user("bob"), user("eve"))
POSTED = (*THREE, publish())


def given(*commands: Command) -> World:
    return World(DOMAIN, DECIDER, NOW).given(*commands)


LATER, LAST = NOON + MINUTE, NOON + 2 * MINUTE
PATH = ("2026-03-01T12:01:00.000000Z c1",)
CONSEQUENCES: list[tuple[tuple[Command, ...], Command, list[Event]]] = [
    ((), user("ann"), [UserRegistered(user_id="ann", handle="the_ann", name="Ann", at=NOON)]),
    (
        THREE,
        ChangeHandle(user_id="ann", handle="annie", at=NOON),
        [HandleChanged(user_id="ann", handle="annie", at=NOON)],
    ),
    (THREE, publish(), [PostPublished(post_id="p1", author_id="ann", text="hello", tags=("greetings",), at=NOON)]),
    (POSTED, edit(), [PostEdited(post_id="p1", author_id="ann", text="hello again", tags=("greetings",), at=LATER)]),
    (POSTED, edit(text="hello"), []),
    (POSTED, delete(), [PostDeleted(post_id="p1", author_id="ann", at=LATER)]),
    (POSTED, like(), [PostLiked(post_id="p1", author_id="ann", user_id="bob", at=LATER)]),
    (POSTED, like("ann"), [PostLiked(post_id="p1", author_id="ann", user_id="ann", at=LATER)]),
    (
        (*POSTED, like()),
        unlike(),
        [PostUnliked(post_id="p1", author_id="ann", user_id="bob", liked_at=LATER, at=LAST)],
    ),
    (
        (*POSTED, like(), unlike()),
        like(at=LAST),
        [PostLiked(post_id="p1", author_id="ann", user_id="bob", at=LAST)],
    ),
    (
        POSTED,
        comment(),
        [
            CommentAdded(
                comment_id="c1",
                post_id="p1",
                post_author_id="ann",
                author_id="bob",
                parent_id=None,
                path=PATH,
                text="text of c1",
                at=LATER,
            )
        ],
    ),
    (
        (*POSTED, comment()),
        comment("c2", "eve", parent="c1", at=LAST),
        [
            CommentAdded(
                comment_id="c2",
                post_id="p1",
                post_author_id="ann",
                author_id="eve",
                parent_id="c1",
                path=(*PATH, "2026-03-01T12:02:00.000000Z c2"),
                text="text of c2",
                at=LAST,
            )
        ],
    ),
    (
        THREE,
        follow(),
        [
            Followed(follower_id="bob", followee_id="ann", at=LATER),
            FollowerGained(follower_id="bob", followee_id="ann", at=LATER),
        ],
    ),
    (
        (*THREE, follow()),
        unfollow(),
        [
            Unfollowed(follower_id="bob", followee_id="ann", at=LAST),
            FollowerLost(follower_id="bob", followee_id="ann", at=LAST),
        ],
    ),
]


def removed(who: str) -> Event:
    return CommentDeleted(comment_id="c1", post_id="p1", post_author_id="ann", user_id=who, commented_at=LATER, at=LAST)


CONSEQUENCES += [((*POSTED, comment()), uncomment(who=who), [removed(who)]) for who in ("bob", "ann")]


@pytest.mark.parametrize(("before", "command", "events"), CONSEQUENCES)
def test_an_allowed_command_leads_to_its_events(
    before: tuple[Command, ...], command: Command, events: list[Event]
) -> None:
    assert given(*before).events(command) == events


DEEP = tuple(comment(f"c{n}", parent=f"c{n - 1}" if n else None, at=NOON + n * MINUTE) for n in range(DEEPEST))
EARLY = NOON - MINUTE
REFUSALS: list[tuple[tuple[Command, ...], Command, type[HeadraceError], str, str]] = [
    (THREE, user("ann", "other"), Refused, "user-already-registered", "user_id"),
    (THREE, user("dan", "THE_ANN"), Refused, "handle-taken", ""),
    (THREE, ChangeHandle(user_id="bob", handle="The_Ann"), Refused, "handle-taken", ""),
    (THREE, ChangeHandle(user_id="dan", handle="dan"), NotFound, "unknown-user", "user_id"),
    (THREE, publish(author="dan"), NotFound, "unknown-user", "author_id"),
    (POSTED, publish(), Refused, "post-already-published", "post_id"),
    ((*POSTED, delete()), publish(), Refused, "post-already-published", "post_id"),
    (THREE, edit(), NotFound, "unknown-post", "post_id"),
    (THREE, delete(), NotFound, "unknown-post", "post_id"),
    (POSTED, edit(author="bob"), Refused, "not-the-author", "author_id"),
    (POSTED, delete(author="bob"), Refused, "not-the-author", "author_id"),
    *(((*POSTED, like(), delete()), c, Refused, "post-deleted", "post_id") for c in (edit(), delete(), unlike())),
    *(((*POSTED, delete()), c, Refused, "post-deleted", "post_id") for c in (like(), comment())),
    (THREE, like(), NotFound, "unknown-post", "post_id"),
    (THREE, comment(), NotFound, "unknown-post", "post_id"),
    (POSTED, like("dan"), NotFound, "unknown-user", "user_id"),
    (POSTED, comment(who="dan"), NotFound, "unknown-user", "author_id"),
    ((*POSTED, like()), like(at=LAST), Refused, "already-liked", "post_id"),
    (POSTED, unlike(), Refused, "not-liked", "post_id"),
    ((*POSTED, like(), unlike()), unlike(), Refused, "not-liked", "post_id"),
    ((*POSTED, comment()), comment(), Refused, "comment-already-added", "comment_id"),
    (POSTED, comment(parent="c9"), NotFound, "unknown-comment", "parent_id"),
    (
        (*POSTED, publish("p2"), comment("c1", post="p2")),
        comment("c2", parent="c1", at=LAST),
        NotFound,
        "unknown-comment",
        "parent_id",
    ),
    ((*POSTED, comment(), uncomment()), comment("c2", parent="c1", at=LAST), Refused, "comment-deleted", "parent_id"),
    ((*POSTED, *DEEP), comment("cx", parent=f"c{DEEPEST - 1}", at=NOW), Refused, "thread-too-deep", "parent_id"),
    (POSTED, uncomment(), NotFound, "unknown-comment", "comment_id"),
    ((*POSTED, comment()), uncomment(who="eve"), Refused, "not-the-author", "user_id"),
    ((*POSTED, comment(), uncomment()), uncomment(), Refused, "comment-deleted", "comment_id"),
    (THREE, follow("ann", "ann"), Refused, "follows-oneself", "followee_id"),
    (THREE, follow("dan"), NotFound, "unknown-user", "follower_id"),
    (THREE, follow(other="dan"), NotFound, "unknown-user", "followee_id"),
    ((*THREE, follow()), follow(at=LAST), Refused, "already-following", "followee_id"),
    (THREE, unfollow(), Refused, "not-following", "followee_id"),
    ((*THREE, follow(), unfollow()), unfollow(), Refused, "not-following", "followee_id"),
    (THREE, publish(at=EARLY), Refused, "date-goes-back", "at"),
    *((POSTED, c, Refused, "date-goes-back", "at") for c in (edit(at=EARLY), like(at=EARLY), comment(at=EARLY))),
    ((*POSTED, comment()), comment("c2", parent="c1", at=NOON), Refused, "date-goes-back", "at"),
    ((*POSTED, like()), unlike(at=NOON), Refused, "date-goes-back", "at"),
    ((*THREE, follow()), unfollow(at=NOON), Refused, "date-goes-back", "at"),
]


@pytest.mark.parametrize(("before", "command", "error", "rule", "field"), REFUSALS)
def test_a_command_that_breaks_a_rule_is_refused_with_the_rule_and_a_sentence(
    before: tuple[Command, ...], command: Command, error: type[HeadraceError], rule: str, field: str
) -> None:
    found = given(*before).refuses(command, error)
    assert (found.rule, found.field) == (rule, field)


def test_a_handle_that_was_given_up_is_free_for_others() -> None:
    world = given(*THREE, ChangeHandle(user_id="ann", handle="annie", at=NOON))
    assert world.events(user("dan", "The_Ann"))
    assert world.refuses(user("fay", "ANNIE"), Refused).rule == "handle-taken"


def test_one_may_write_ones_own_handle_in_another_case() -> None:
    world = given(*THREE)
    assert world.events(ChangeHandle(user_id="ann", handle="The_ANN", at=NOON))
    assert world.refuses(user("dan", "the_ann"), Refused).rule == "handle-taken"


def test_a_command_without_a_date_happens_now_but_never_before_what_it_builds_on() -> None:
    ahead = NOW + MINUTE
    [now] = given(*POSTED).events(like(at=None))
    [after] = given(*THREE, publish(at=ahead)).events(like(at=None))
    assert isinstance(now, PostLiked)
    assert isinstance(after, PostLiked)
    assert (now.at, after.at) == (NOW, ahead)


def test_a_like_and_a_comment_may_come_late_after_an_edit_that_they_are_dated_before() -> None:
    edited = (*POSTED, edit(at=NOON + 5 * MINUTE))
    assert given(*edited).events(like())
    assert given(*edited).events(comment())


def test_tags_that_are_stated_twice_count_once() -> None:
    command = publish()
    twice = type(command)(post_id="p2", author_id="ann", text="x", tags=("b", "a", "b"), at=NOON)
    [event] = given(*THREE).events(twice)
    assert isinstance(event, PostPublished)
    assert event.tags == ("b", "a")

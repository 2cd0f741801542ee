"""The folds of the social network: rows of what happened, however its records come; what cannot be is never counted."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from producers.domains.social import DECIDER
from schemas import Command, NotFound, Refused
from schemas.social import DOMAIN
from schemas.social.commands import ChangeHandle
from schemas.social.events import (
    CommentAdded,
    CommentDeleted,
    FollowerGained,
    FollowerLost,
    PostLiked,
    PostPublished,
    PostUnliked,
    UserRegistered,
)
from schemas.social.rows import CommentRow, FollowRow, LikeRow, PostRow
from streams.kit import Given, given, on
from streams.kit.history import Step
from tests.network import MINUTE, NOON, comment, delete, edit, follow, like, publish, uncomment, unfollow, unlike, user
from tests.unit.test_social_decider import NOW, POSTED
from tests.unit.test_social_invariants import COMMANDS
from tests.world import World

LATER = NOON + MINUTE


def after(*commands: Command) -> Given:
    """The history that these commands lead to; all must be accepted."""
    return given(DOMAIN, [Step(*each) for each in World(DOMAIN, DECIDER, NOW).given(*commands).happened])


def test_a_post_has_its_text_its_tags_and_the_likes_and_comments_that_stand() -> None:
    history = after(*POSTED, like("bob"), like("eve"), unlike("eve"), comment(), comment("c2"), uncomment("c2"), edit())
    assert history.table("posts") == {
        "p1": PostRow(
            post_id="p1",
            author_id="ann",
            status="published",
            text="hello again",
            tags=("greetings",),
            published_at=NOON,
            likes=1,
            comments=1,
            edits=1,
            edited_at=LATER,
        )
    }
    assert history.table("likes") == {"p1:bob": LikeRow(post_id="p1", user_id="bob", at=LATER)}


def test_a_deleted_post_says_nothing_any_more() -> None:
    row = after(*POSTED, like(), delete()).table("posts")["p1"]
    assert (row.status, row.text, row.tags, row.deleted_at) == ("deleted", "", (), LATER)


def test_a_deleted_comment_keeps_its_place_without_its_text() -> None:
    table = after(*POSTED, comment(), comment("c2", "eve", parent="c1", at=NOON + 5 * MINUTE), uncomment()).table(
        "comments"
    )
    assert isinstance(table["c1"], CommentRow)
    assert (table["c1"].text, table["c1"].deleted_at) == ("", NOON + 2 * MINUTE)
    assert (table["c2"].parent_id, table["c2"].path[0]) == ("c1", table["c1"].path[0])


def test_a_user_has_the_counters_of_both_sides_and_the_last_handle() -> None:
    history = after(
        *POSTED,
        publish("p2"),
        delete("p2"),
        follow("bob", "ann"),
        follow("eve", "ann"),
        unfollow("eve", "ann"),
        like(),
        ChangeHandle(user_id="ann", handle="annie", at=NOON),
    )
    ann, bob = history.table("users")["ann"], history.table("users")["bob"]
    assert (ann.handle, ann.posts, ann.likes, ann.followers, ann.following) == ("annie", 1, 1, 1, 0)
    assert (bob.posts, bob.likes, bob.followers, bob.following) == (0, 0, 0, 1)
    assert history.table("follows") == {"bob:ann": FollowRow(follower_id="bob", followee_id="ann", at=LATER)}


PUBLISHED = PostPublished(post_id="p1", author_id="ann", text="x", tags=(), at=NOON)
REGISTERED = UserRegistered(user_id="ann", handle="ann", name="Ann", at=NOON)
LIKED = PostLiked(post_id="p1", author_id="ann", user_id="bob", at=NOON)
UNLIKED = PostUnliked(post_id="p1", author_id="ann", user_id="bob", liked_at=NOON, at=NOON)
GONE = CommentDeleted(comment_id="c1", post_id="p1", post_author_id="ann", user_id="bob", commented_at=NOON, at=NOON)
SAID = CommentAdded(
    comment_id="c1",
    post_id="p1",
    post_author_id="ann",
    author_id="bob",
    parent_id=None,
    path=("c1",),
    text="x",
    at=NOON,
)
GAINED = FollowerGained(follower_id="bob", followee_id="ann", at=NOON)
LOST = FollowerLost(follower_id="bob", followee_id="ann", at=NOON)
KNOWN = [*on("user:ann", REGISTERED), *on("p1", PUBLISHED)]


@pytest.mark.parametrize(
    ("happened", "error"),
    [
        (on("p1", PUBLISHED), "LookupError: PostPublished of p1"),
        ([*on("user:ann", REGISTERED), *on("like:p1:bob", LIKED)], "LookupError: PostLiked of like:p1:bob"),
        ([*KNOWN, *on("like:p1:bob", UNLIKED)], "ValueError: PostUnliked would make likes -1"),
        ([*KNOWN, *on("like:p1:bob", LIKED), *on("like:p1:bob", LIKED)], "ValueError: PostLiked of like:p1:bob"),
        ([*KNOWN, *on("p1", PUBLISHED)], "ValueError: PostPublished of p1"),
        ([*KNOWN, *on("comment:c1", SAID, GONE, GONE)], "ValueError: CommentDeleted would make comments -1"),
        (
            [*KNOWN, *on("followers:ann:bob", GAINED, LOST, LOST)],
            "ValueError: FollowerLost would make followers -1",
        ),
    ],
)
def test_what_cannot_have_happened_holds_the_author_and_is_named(happened: list[Any], error: str) -> None:
    held = given(DOMAIN, happened).held
    assert list(held) == ["ann"]
    assert held["ann"].startswith(error)


def accepted(commands: list[Command]) -> list[Step]:
    world = World(DOMAIN, DECIDER, NOW).given(user("ann"), user("bob"), publish())
    for command in commands:
        try:
            world.when(command)
        except (Refused, NotFound):
            continue
    return [Step(*each) for each in world.happened]


@settings(deadline=timedelta(seconds=5))
@for_all(st.lists(COMMANDS, max_size=50), st.randoms(use_true_random=False))
def test_counters_are_those_of_the_rows_however_the_records_come(commands: list[Command], random: Random) -> None:
    history = given(DOMAIN, accepted(commands))
    assert history.held == {}
    assert history.folded(random) == history.folded()
    posts, users = history.table("posts"), history.table("users")
    likes, follows = history.table("likes").values(), history.table("follows").values()
    standing = [row for row in history.table("comments").values() if row.deleted_at is None]
    for key, post in posts.items():
        assert post.likes == sum(row.post_id == key for row in likes)
        assert post.comments == sum(row.post_id == key for row in standing)
    for key, who in users.items():
        assert who.posts == sum(row.author_id == key and row.status == "published" for row in posts.values())
        assert who.followers == sum(row.followee_id == key for row in follows)
        assert who.following == sum(row.follower_id == key for row in follows)
        assert who.likes == sum(posts[row.post_id].author_id == key for row in likes)

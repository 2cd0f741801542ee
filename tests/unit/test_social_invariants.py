"""Whatever commands come to the social network: what is never broken."""

from datetime import UTC, datetime, timedelta

from hypothesis import given as for_all
from hypothesis import strategies as st

from producers.domains.social import DECIDER
from schemas import Command, NotFound, Refused
from schemas.social import DOMAIN
from schemas.social.commands import ChangeHandle
from schemas.social.events import (
    Followed,
    FollowerGained,
    FollowerLost,
    HandleChanged,
    PostDeleted,
    PostLiked,
    PostUnliked,
    Unfollowed,
    UserRegistered,
)
from tests.network import NOON, comment, delete, edit, follow, like, publish, uncomment, unfollow, unlike, user
from tests.world import World

NOW = NOON + timedelta(days=30)
THREE = (user("ann"), user("bob"), user("eve"))
_USERS, _POSTS = st.sampled_from(["ann", "bob", "eve", "dan"]), st.sampled_from(["p1", "p2", "p3"])
_COMMENTS = st.sampled_from(["c1", "c2", "c3"])
_NONE = st.none()
COMMANDS = st.one_of(
    st.builds(user, _USERS, st.sampled_from(["red", "Red", "blue", "green"]), _NONE),
    st.builds(lambda u, h: ChangeHandle(user_id=u, handle=h), _USERS, st.sampled_from(["red", "RED", "blue"])),
    st.builds(publish, _POSTS, _USERS, st.text("ab", min_size=1, max_size=2), _NONE),
    st.builds(edit, _POSTS, _USERS, st.text("ab", min_size=1, max_size=2), _NONE),
    st.builds(delete, _POSTS, _USERS, _NONE),
    st.builds(like, _USERS, _POSTS, _NONE),
    st.builds(unlike, _USERS, _POSTS, _NONE),
    st.builds(comment, _COMMENTS, _USERS, _POSTS, st.none() | _COMMENTS, _NONE),
    st.builds(uncomment, _COMMENTS, _USERS, _NONE),
    st.builds(follow, _USERS, _USERS, _NONE),
    st.builds(unfollow, _USERS, _USERS, _NONE),
)


@for_all(st.lists(COMMANDS, max_size=60))
def test_whatever_comes_nobody_likes_twice_follows_twice_or_shares_a_handle(commands: list[Command]) -> None:
    world = World(DOMAIN, DECIDER, NOW).given(*THREE[:2], publish("p1", "ann"))
    likes, follows, gained, handles, deleted = set(), set(), set(), {}, set()
    for command in commands:
        try:
            events = world.events(command)
        except (Refused, NotFound):
            continue
        for event in events:
            match event:
                case PostLiked(post_id=post, user_id=who):
                    assert (post, who) not in likes
                    assert post not in deleted
                    likes.add((post, who))
                case PostUnliked(post_id=post, user_id=who):
                    likes.remove((post, who))
                case Followed(follower_id=one, followee_id=other):
                    assert one != other
                    assert (one, other) not in follows
                    follows.add((one, other))
                case Unfollowed(follower_id=one, followee_id=other):
                    follows.remove((one, other))
                case FollowerGained(follower_id=one, followee_id=other):
                    gained.add((one, other))
                case FollowerLost(follower_id=one, followee_id=other):
                    gained.remove((one, other))
                case UserRegistered(user_id=who, handle=handle) | HandleChanged(user_id=who, handle=handle):
                    handles[who] = handle.lower()
                case PostDeleted(post_id=post):
                    deleted.add(post)
        assert follows == gained
        assert len(set(handles.values())) == len(handles)
        assert world.claims == {f"handle:{h}" for h in handles.values()} | {"handle:the_ann", "handle:the_bob"} - {
            f"handle:the_{who}" for who in handles
        }


@for_all(st.lists(COMMANDS, max_size=40))
def test_a_refused_command_changes_nothing_and_an_accepted_one_never_goes_back_in_time(commands: list[Command]) -> None:
    world = World(DOMAIN, DECIDER, NOW).given(*THREE[:2], publish("p1", "ann"))
    last: dict[str, datetime] = {}
    for command in commands:
        before = dict(world.states), set(world.claims)
        try:
            placed = world.when(command)
        except (Refused, NotFound):
            assert (world.states, world.claims) == before
            continue
        for stream, event in placed:
            at = DOMAIN.event_time(event)
            assert at >= last.get(stream, datetime(1970, 1, 1, tzinfo=UTC))
            last[stream] = at

"""The rules of the network.

A handle is a claim, whatever case it is written in; a like and a follow are streams of their own, which is why nobody
likes or follows twice, however many ask at once. A follow is two events in one append: one on each side.
"""

from producers.decider import NOTHING, Decider, Facts, Needs, On
from producers.domains.social import people, posts, talk
from producers.domains.social.states import Comment, Follow, Like, Post, State, User
from producers.store import Guard
from schemas import Command, Event
from schemas.social.commands import (
    AddComment,
    ChangeHandle,
    DeleteComment,
    FollowUser,
    LikePost,
    PublishPost,
    RegisterUser,
    UnfollowUser,
    UnlikePost,
)
from schemas.social.names import comment_stream, followers_stream, user_stream

_PEOPLE = (RegisterUser, ChangeHandle, FollowUser, UnfollowUser)
_EVOLVE = {**posts.EVOLVE, **people.EVOLVE, **talk.EVOLVE}
_TALK = (AddComment, DeleteComment, LikePost, UnlikePost)


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event | On, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    if isinstance(command, _PEOPLE):
        return people.decide(state, command, facts)
    if isinstance(command, _TALK):
        return talk.decide(state, command, facts)
    return posts.decide(state, command, facts)


def evolve(state: State | None, event: Event) -> State | None:
    """The state after an event."""
    step = _EVOLVE.get(type(event))
    return state if step is None else step(state, event)


def needs(command: Command) -> Needs:
    """Who acts, and what is acted on."""
    match command:
        case PublishPost(author_id=author):
            return Needs(streams=(user_stream(author),))
        case AddComment(post_id=post, author_id=author, parent_id=parent):
            further = () if parent is None else (comment_stream(parent),)
            return Needs(streams=(post, user_stream(author), *further))
        case LikePost(post_id=post, user_id=user):
            return Needs(streams=(post, user_stream(user)))
        case UnlikePost(post_id=post):
            return Needs(streams=(post,))
        case FollowUser(follower_id=one, followee_id=other):
            return Needs(streams=(user_stream(one), user_stream(other), followers_stream(one, other)))
        case UnfollowUser(follower_id=one, followee_id=other):
            return Needs(streams=(followers_stream(one, other),))
    return NOTHING


def guards(state: State | None, command: Command, _facts: Facts) -> tuple[Guard, ...]:
    """The handle that a command takes, and the one that it gives back."""
    match command:
        case RegisterUser(handle=handle):
            return (_take(handle),)
        case ChangeHandle(handle=handle) if isinstance(state, User) and handle.lower() != state.handle.lower():
            return (_take(handle), Guard("release", _claim(state.handle)))
    return ()


def _claim(handle: str) -> str:
    return f"handle:{handle.lower()}"


def _take(handle: str) -> Guard:
    return Guard("claim", _claim(handle), rule="handle-taken", detail=f"somebody else goes by {handle}")


DECIDER = Decider(decide, evolve, needs, guards, state=Post | User | Comment | Like | Follow)

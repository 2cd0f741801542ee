"""Users register once and may change their handle; each follows another at most once, and nobody oneself."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from producers.decider import Facts, On
from producers.domains.social.states import Follow, State, User, instant, user
from schemas import Command, Event, NotFound, Refused
from schemas.social.commands import ChangeHandle, FollowUser, RegisterUser, UnfollowUser
from schemas.social.events import (
    Followed,
    FollowerGained,
    FollowerLost,
    HandleChanged,
    Unfollowed,
    UserRegistered,
)
from schemas.social.names import followers_stream


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event | On, ...]:
    """The events of a command of users. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case RegisterUser():
            return _register(state, command, facts)
        case ChangeHandle():
            return _change(state, command, facts)
        case FollowUser():
            return _follow(state, command, facts)
        case UnfollowUser():
            return _unfollow(state, command, facts)
    raise TypeError(f"{type(command).__name__} is no command of a user")


def _register(state: State | None, command: RegisterUser, facts: Facts) -> tuple[Event, ...]:
    if state is not None:
        raise Refused(f"{command.user_id} is a user already", rule="user-already-registered", field="user_id")
    at = instant(command.at, facts)
    return (UserRegistered(user_id=command.user_id, handle=command.handle, name=command.name, at=at),)


def _change(state: State | None, command: ChangeHandle, facts: Facts) -> tuple[Event, ...]:
    if not isinstance(state, User):
        raise NotFound(f"there is no user {command.user_id}", rule="unknown-user", field="user_id")
    if state.handle == command.handle:
        return ()
    at = instant(command.at, facts, state.at)
    return (HandleChanged(user_id=command.user_id, handle=command.handle, at=at),)


def _follow(state: State | None, command: FollowUser, facts: Facts) -> tuple[Event | On, ...]:
    one, other = command.follower_id, command.followee_id
    if one == other:
        raise Refused("nobody follows oneself", rule="follows-oneself", field="followee_id")
    dates = [user(facts, one, "follower_id").at, user(facts, other, "followee_id").at]
    if isinstance(state, Follow):
        if state.stands:
            raise Refused(f"{one} follows {other} already", rule="already-following", field="followee_id")
        dates.append(state.at)
    at = instant(command.at, facts, *dates)
    gained = FollowerGained(follower_id=one, followee_id=other, at=at)
    return Followed(follower_id=one, followee_id=other, at=at), On(followers_stream(one, other), gained)


def _unfollow(state: State | None, command: UnfollowUser, facts: Facts) -> tuple[Event | On, ...]:
    one, other = command.follower_id, command.followee_id
    if not isinstance(state, Follow) or not state.stands:
        raise Refused(f"{one} does not follow {other}", rule="not-following", field="followee_id")
    at = instant(command.at, facts, state.at)
    lost = FollowerLost(follower_id=one, followee_id=other, at=at)
    return Unfollowed(follower_id=one, followee_id=other, at=at), On(followers_stream(one, other), lost)


def _registered(_state: State | None, event: UserRegistered) -> State:
    return User(event.handle, event.at)


def _changed(state: State | None, event: HandleChanged) -> State | None:
    return replace(state, handle=event.handle) if isinstance(state, User) else state


def _stands(_state: State | None, event: Followed | FollowerGained) -> State:
    return Follow(True, event.at)


def _ended(_state: State | None, event: Unfollowed | FollowerLost) -> State:
    return Follow(False, event.at)


EVOLVE: dict[type[Event], Callable[[State | None, Any], State | None]] = {
    UserRegistered: _registered,
    HandleChanged: _changed,
    Followed: _stands,
    FollowerGained: _stands,
    Unfollowed: _ended,
    FollowerLost: _ended,
}

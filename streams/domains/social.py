"""Folds of the network: posts and users with their counters, comments, and the likes and follows that stand."""

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from schemas import Envelope, Event
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
from schemas.social.rows import CommentRow, FollowRow, LikeRow, PostRow, UserRow
from streams.fold import Fold, by_partition_key

T = TypeVar("T", bound=Struct)


def _existing(value: T | None, event: Event, envelope: Envelope[Any]) -> T:
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject}, of which there is no row")
    return value


def _new(value: Struct | None, event: Event, envelope: Envelope[Any]) -> None:
    if value is not None:
        raise ValueError(f"{type(event).__name__} of {envelope.subject}, of which there is a row already")


# What an event adds to the counters of a post's row, and of a user's.
_OF_POST: dict[type[Event], tuple[str, int]] = {
    PostLiked: ("likes", 1),
    PostUnliked: ("likes", -1),
    CommentAdded: ("comments", 1),
    CommentDeleted: ("comments", -1),
}
_OF_USER: dict[type[Event], tuple[str, int]] = {
    PostPublished: ("posts", 1),
    PostDeleted: ("posts", -1),
    PostLiked: ("likes", 1),
    PostUnliked: ("likes", -1),
    Followed: ("following", 1),
    Unfollowed: ("following", -1),
    FollowerGained: ("followers", 1),
    FollowerLost: ("followers", -1),
}


def _counted(row: T, event: Event, counters: dict[type[Event], tuple[str, int]]) -> T:
    name, by = counters[type(event)]
    count = getattr(row, name) + by
    if count < 0:
        raise ValueError(f"{type(event).__name__} would make {name} {count}")
    return replace(row, **{name: count})


def post(value: PostRow | None, event: Event, envelope: Envelope[Any]) -> PostRow:
    """The post after `event`. Raises LookupError for one never published, ValueError for one published twice."""
    if isinstance(event, PostPublished):
        _new(value, event, envelope)
        return PostRow(
            post_id=event.post_id,
            author_id=event.author_id,
            status="published",
            text=event.text,
            tags=event.tags,
            published_at=event.at,
        )
    row = _existing(value, event, envelope)
    match event:
        case PostEdited():
            return replace(row, text=event.text, tags=event.tags, edits=row.edits + 1, edited_at=event.at)
        case PostDeleted():
            return replace(row, status="deleted", text="", tags=(), deleted_at=event.at)
    return _counted(row, event, _OF_POST)


def user(value: UserRow | None, event: Event, envelope: Envelope[Any]) -> UserRow:
    """The user after `event`. Raises LookupError and ValueError as `post`."""
    if isinstance(event, UserRegistered):
        _new(value, event, envelope)
        return UserRow(user_id=event.user_id, handle=event.handle, name=event.name, joined_at=event.at)
    row = _existing(value, event, envelope)
    if isinstance(event, HandleChanged):
        return replace(row, handle=event.handle)
    return _counted(row, event, _OF_USER)


def comment(value: CommentRow | None, event: CommentAdded | CommentDeleted, envelope: Envelope[Any]) -> CommentRow:
    """The comment after `event`. Raises LookupError and ValueError as `post`."""
    if isinstance(event, CommentDeleted):
        return replace(_existing(value, event, envelope), text="", deleted_at=event.at)
    _new(value, event, envelope)
    return CommentRow(
        comment_id=event.comment_id,
        post_id=event.post_id,
        author_id=event.author_id,
        parent_id=event.parent_id,
        path=event.path,
        text=event.text,
        at=event.at,
    )


def like(value: LikeRow | None, event: PostLiked | PostUnliked, envelope: Envelope[Any]) -> LikeRow | None:
    """The like, while it stands. Raises LookupError and ValueError as `post`."""
    if isinstance(event, PostUnliked):
        _existing(value, event, envelope)
        return None
    _new(value, event, envelope)
    return LikeRow(post_id=event.post_id, user_id=event.user_id, at=event.at)


def follow(value: FollowRow | None, event: Followed | Unfollowed, envelope: Envelope[Any]) -> FollowRow | None:
    """The follow, while it stands. Raises LookupError and ValueError as `post`."""
    if isinstance(event, Unfollowed):
        _existing(value, event, envelope)
        return None
    _new(value, event, envelope)
    return FollowRow(follower_id=event.follower_id, followee_id=event.followee_id, at=event.at)


def _by(*fields: str) -> Callable[[Envelope[Any]], str]:
    """Row key: fields of the event, with colons between."""
    return lambda envelope: ":".join([getattr(envelope.data, field) for field in fields])


FOLDS = (
    Fold("posts", key=_by("post_id"), fold=post, events=(PostPublished, PostEdited, PostDeleted, *_OF_POST)),
    Fold("users", key=by_partition_key, fold=user, events=(UserRegistered, HandleChanged, *_OF_USER)),
    Fold("comments", key=_by("comment_id"), fold=comment, events=(CommentAdded, CommentDeleted)),
    Fold("likes", key=_by("post_id", "user_id"), fold=like, events=(PostLiked, PostUnliked)),
    Fold("follows", key=_by("follower_id", "followee_id"), fold=follow, events=(Followed, Unfollowed)),
)

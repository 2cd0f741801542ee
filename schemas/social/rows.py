"""The rows that are folded from the events."""

from typing import Literal

from msgspec import Struct

from schemas import Instant


class PostRow(Struct, frozen=True, kw_only=True):
    """One post as it stands. A deleted one has no text and no tags; `likes` and `comments` are those that stand."""

    post_id: str
    author_id: str
    status: Literal["published", "deleted"]
    text: str
    tags: tuple[str, ...]
    published_at: Instant
    likes: int = 0
    comments: int = 0
    edits: int = 0
    edited_at: Instant | None = None
    deleted_at: Instant | None = None


class UserRow(Struct, frozen=True, kw_only=True):
    """One user. `posts` are those that stand, `likes` those that stand on all that the user has ever published."""

    user_id: str
    handle: str
    name: str
    joined_at: Instant
    posts: int = 0
    likes: int = 0
    followers: int = 0
    following: int = 0


class CommentRow(Struct, frozen=True, kw_only=True):
    """One comment. A deleted one keeps its place in the thread, without its text."""

    comment_id: str
    post_id: str
    author_id: str
    parent_id: str | None
    path: tuple[str, ...]
    text: str
    at: Instant
    deleted_at: Instant | None = None


class LikeRow(Struct, frozen=True, kw_only=True):
    """One like that stands."""

    post_id: str
    user_id: str
    at: Instant


class FollowRow(Struct, frozen=True, kw_only=True):
    """One follow that stands."""

    follower_id: str
    followee_id: str
    at: Instant

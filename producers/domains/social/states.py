"""What the rules need to know of each kind of stream, and when something happens."""

from datetime import datetime

from msgspec import Struct

from producers.decider import Facts
from schemas import NotFound, Refused
from schemas.social.names import user_stream


class Post(Struct, frozen=True, gc=False, tag="post"):
    """A post: `at` is the date of its last step; its text is only compared."""

    author_id: str
    text: str
    tags: tuple[str, ...]
    published_at: datetime
    at: datetime
    deleted: bool = False


class User(Struct, frozen=True, gc=False, tag="user"):
    """A user."""

    handle: str
    at: datetime


class Comment(Struct, frozen=True, gc=False, tag="comment"):
    """A comment and its place in a thread."""

    post_id: str
    post_author_id: str
    author_id: str
    path: tuple[str, ...]
    at: datetime
    deleted: bool = False


class Like(Struct, frozen=True, gc=False, tag="like"):
    """What a user thinks of a post since `at`."""

    stands: bool
    at: datetime


class Follow(Struct, frozen=True, gc=False, tag="follow"):
    """Whether a user follows another, since `at`."""

    stands: bool
    at: datetime


State = Post | User | Comment | Like | Follow


def instant(at: datetime | None, facts: Facts, *before: datetime) -> datetime:
    """When a command takes effect: its date, else now, but not before what it builds on. Raises Refused."""
    if at is None:
        return max(facts.now, *before) if before else facts.now
    for earlier in before:
        if at < earlier:
            raise Refused(
                f"the date {at.isoformat()} is before that of what it builds on, {earlier.isoformat()}",
                rule="date-goes-back",
                field="at",
            )
    return at


def user(facts: Facts, user_id: str, field: str) -> User:
    """A user among the facts. Raises NotFound."""
    found = facts.streams[user_stream(user_id)]
    if not isinstance(found, User):
        raise NotFound(f"there is no user {user_id}", rule="unknown-user", field=field)
    return found


def standing(found: State | None, post_id: str) -> Post:
    """A post that is not deleted. Raises NotFound, or Refused for one that is."""
    if not isinstance(found, Post):
        raise NotFound(f"there is no post {post_id}", rule="unknown-post", field="post_id")
    if found.deleted:
        raise Refused(f"post {post_id} was deleted", rule="post-deleted", field="post_id")
    return found

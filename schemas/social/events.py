"""What has happened in the network. Texts and names in them are sealed."""

from schemas import Event, Instant


class PostPublished(Event, frozen=True, kw_only=True):
    """A post was published."""

    post_id: str
    author_id: str
    text: str
    tags: tuple[str, ...]
    at: Instant


class PostEdited(Event, frozen=True, kw_only=True):
    """A post has this text and these tags from now on."""

    post_id: str
    author_id: str
    text: str
    tags: tuple[str, ...]
    at: Instant


class PostDeleted(Event, frozen=True, kw_only=True):
    """A post was deleted by its author."""

    post_id: str
    author_id: str
    at: Instant


class UserRegistered(Event, frozen=True, kw_only=True):
    """Somebody became a user."""

    user_id: str
    handle: str
    name: str
    at: Instant


class HandleChanged(Event, frozen=True, kw_only=True):
    """A user goes by another handle."""

    user_id: str
    handle: str
    at: Instant


class CommentAdded(Event, frozen=True, kw_only=True):
    """A post was commented on. `path` leads from the thread's root to the comment: an instant and an id each, so that
    paths in their order are the thread as it is read."""

    comment_id: str
    post_id: str
    post_author_id: str
    author_id: str
    parent_id: str | None
    path: tuple[str, ...]
    text: str
    at: Instant


class CommentDeleted(Event, frozen=True, kw_only=True):
    """A comment was deleted by `user_id`; `commented_at` is when it had been added."""

    comment_id: str
    post_id: str
    post_author_id: str
    user_id: str
    commented_at: Instant
    at: Instant


class PostLiked(Event, frozen=True, kw_only=True):
    """A user likes a post of `author_id`."""

    post_id: str
    author_id: str
    user_id: str
    at: Instant


class PostUnliked(Event, frozen=True, kw_only=True):
    """A user took a like back that was given at `liked_at`."""

    post_id: str
    author_id: str
    user_id: str
    liked_at: Instant
    at: Instant


class Followed(Event, frozen=True, kw_only=True):
    """`follower_id` follows `followee_id`: the follower's side. `FollowerGained` is stored with it."""

    follower_id: str
    followee_id: str
    at: Instant


class Unfollowed(Event, frozen=True, kw_only=True):
    """`follower_id` follows `followee_id` no more: the follower's side."""

    follower_id: str
    followee_id: str
    at: Instant


class FollowerGained(Event, frozen=True, kw_only=True):
    """`follower_id` follows `followee_id`: the side of the one who is followed."""

    follower_id: str
    followee_id: str
    at: Instant


class FollowerLost(Event, frozen=True, kw_only=True):
    """`follower_id` follows `followee_id` no more: the side of the one who was followed."""

    follower_id: str
    followee_id: str
    at: Instant

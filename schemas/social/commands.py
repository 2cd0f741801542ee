"""What users of the network ask for."""

from typing import Annotated

from msgspec import Meta

from schemas import Command, Instant, personal

Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,60}\Z", description="1 to 60 of A-Z a-z 0-9 _ -")]
Handle = Annotated[
    str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]{2,29}\Z", description="A letter, then 2 to 29 letters, digits or _.")
]
Tag = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,50}\Z", description="A hashtag without its #, in lower case.")]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=10)]
Words = Annotated[str, Meta(min_length=1, max_length=2000, description="1 to 2000 characters.")]
Name = Annotated[str, Meta(min_length=1, max_length=80)]


class PublishPost(Command, frozen=True, kw_only=True):
    """Publish a post. Its tags are stated: the text is sealed before anybody could look for them."""

    post_id: Key
    author_id: Key
    text: Annotated[Words, personal("author_id")]
    tags: Tags = ()
    at: Instant | None = None


class EditPost(Command, frozen=True, kw_only=True):
    """Give one's own post another text and other tags."""

    post_id: Key
    author_id: Key
    text: Annotated[Words, personal("author_id")]
    tags: Tags = ()
    at: Instant | None = None


class DeletePost(Command, frozen=True, kw_only=True):
    """Delete one's own post, for good."""

    post_id: Key
    author_id: Key
    at: Instant | None = None


class RegisterUser(Command, frozen=True, kw_only=True):
    """Become a user. The handle must be free, in whatever case it is written."""

    user_id: Key
    handle: Handle
    name: Annotated[Name, personal("user_id")]
    at: Instant | None = None


class ChangeHandle(Command, frozen=True, kw_only=True):
    """Go by another handle; the old one is free again."""

    user_id: Key
    handle: Handle
    at: Instant | None = None


class AddComment(Command, frozen=True, kw_only=True):
    """Comment on a post, or with a `parent_id` answer a comment on it."""

    comment_id: Key
    post_id: Key
    author_id: Key
    text: Annotated[Words, personal("author_id")]
    parent_id: Key | None = None
    at: Instant | None = None


class DeleteComment(Command, frozen=True, kw_only=True):
    """Delete a comment: one's own, or one on one's own post. Answers to it stay in their thread."""

    comment_id: Key
    user_id: Key
    at: Instant | None = None


class LikePost(Command, frozen=True, kw_only=True):
    """Like a post, once."""

    post_id: Key
    user_id: Key
    at: Instant | None = None


class UnlikePost(Command, frozen=True, kw_only=True):
    """Take one's like back."""

    post_id: Key
    user_id: Key
    at: Instant | None = None


class FollowUser(Command, frozen=True, kw_only=True):
    """Follow another user, once."""

    follower_id: Key
    followee_id: Key
    at: Instant | None = None


class UnfollowUser(Command, frozen=True, kw_only=True):
    """Follow a user no more."""

    follower_id: Key
    followee_id: Key
    at: Instant | None = None

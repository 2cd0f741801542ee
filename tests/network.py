"""Commands of the social network, for tests."""

from datetime import UTC, datetime, timedelta

from schemas.social.commands import (
    AddComment,
    DeleteComment,
    DeletePost,
    EditPost,
    FollowUser,
    LikePost,
    PublishPost,
    RegisterUser,
    UnfollowUser,
    UnlikePost,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def user(name: str, handle: str = "", at: datetime | None = NOON) -> RegisterUser:
    return RegisterUser(user_id=name, handle=handle or f"the_{name}", name=name.title(), at=at)


def publish(post: str = "p1", author: str = "ann", text: str = "hello", at: datetime | None = NOON) -> PublishPost:
    return PublishPost(post_id=post, author_id=author, text=text, tags=("greetings",), at=at)


def edit(
    post: str = "p1", author: str = "ann", text: str = "hello again", at: datetime | None = NOON + MINUTE
) -> EditPost:
    return EditPost(post_id=post, author_id=author, text=text, tags=("greetings",), at=at)


def delete(post: str = "p1", author: str = "ann", at: datetime | None = NOON + MINUTE) -> DeletePost:
    return DeletePost(post_id=post, author_id=author, at=at)


def like(who: str = "bob", post: str = "p1", at: datetime | None = NOON + MINUTE) -> LikePost:
    return LikePost(post_id=post, user_id=who, at=at)


def unlike(who: str = "bob", post: str = "p1", at: datetime | None = NOON + 2 * MINUTE) -> UnlikePost:
    return UnlikePost(post_id=post, user_id=who, at=at)


def comment(
    id_: str = "c1",
    who: str = "bob",
    post: str = "p1",
    parent: str | None = None,
    at: datetime | None = NOON + MINUTE,
) -> AddComment:
    return AddComment(comment_id=id_, post_id=post, author_id=who, text=f"text of {id_}", parent_id=parent, at=at)


def uncomment(id_: str = "c1", who: str = "bob", at: datetime | None = NOON + 2 * MINUTE) -> DeleteComment:
    return DeleteComment(comment_id=id_, user_id=who, at=at)


def follow(one: str = "bob", other: str = "ann", at: datetime | None = NOON + MINUTE) -> FollowUser:
    return FollowUser(follower_id=one, followee_id=other, at=at)


def unfollow(one: str = "bob", other: str = "ann", at: datetime | None = NOON + 2 * MINUTE) -> UnfollowUser:
    return UnfollowUser(follower_id=one, followee_id=other, at=at)

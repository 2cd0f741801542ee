"""A social network: users with unique handles, posts and their edits, comments in threads, likes, follows.

All that happens to a post is kept in order by its author, all that happens to a user by that user. A like, and each
side of a follow, is a stream of its own, so that nobody waits for anybody at a post that all the world likes.
What people write and their names are personal: sealed with their author's key in every event.
"""

from typing import Any

from schemas import Aggregate, Domain
from schemas.social.commands import (
    AddComment,
    ChangeHandle,
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
from schemas.social.names import comment_stream, follows_stream, like_stream, user_stream
from schemas.social.rows import CommentRow, FollowRow, LikeRow, PostRow, UserRow


def _stream_of(command: Any) -> str:
    match command:
        case RegisterUser() | ChangeHandle():
            return user_stream(command.user_id)
        case AddComment() | DeleteComment():
            return comment_stream(command.comment_id)
        case LikePost() | UnlikePost():
            return like_stream(command.post_id, command.user_id)
        case FollowUser() | UnfollowUser():
            return follows_stream(command.follower_id, command.followee_id)
    return str(command.post_id)


def _partition_by(event: Any) -> str:
    match event:
        case UserRegistered():
            return event.user_id
        case CommentAdded():
            return event.post_author_id
        case Followed():
            return event.follower_id
        case FollowerGained():
            return event.followee_id
    return str(event.author_id)


DOMAIN = Domain(
    name="social",
    commands=(
        PublishPost,
        EditPost,
        DeletePost,
        RegisterUser,
        ChangeHandle,
        AddComment,
        DeleteComment,
        LikePost,
        UnlikePost,
        FollowUser,
        UnfollowUser,
    ),
    events=(
        PostPublished,
        PostEdited,
        PostDeleted,
        UserRegistered,
        HandleChanged,
        CommentAdded,
        CommentDeleted,
        PostLiked,
        PostUnliked,
        Followed,
        Unfollowed,
        FollowerGained,
        FollowerLost,
    ),
    aggregates=(
        Aggregate("posts", PostRow),
        Aggregate("users", UserRow),
        Aggregate("comments", CommentRow),
        Aggregate("likes", LikeRow),
        Aggregate("follows", FollowRow),
    ),
    stream_of=_stream_of,
    partition_by=_partition_by,
    event_time=lambda event: event.at,
)

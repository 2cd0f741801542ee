"""Comments and likes: on posts that stand, by users. A comment is deleted by its author or that of the post.

They may come late, after an edit that they are dated before; none is dated before what it is about was published.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from producers.decider import Facts
from producers.domains.social.states import Comment, Like, State, instant, standing, user
from schemas import Command, Event, NotFound, Refused
from schemas.social.commands import AddComment, DeleteComment, LikePost, UnlikePost
from schemas.social.events import CommentAdded, CommentDeleted, PostLiked, PostUnliked
from schemas.social.names import comment_stream

# How many answers to answers a thread may have.
DEEPEST = 50


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case AddComment():
            return _add(state, command, facts)
        case DeleteComment():
            return _delete(state, command, facts)
        case LikePost():
            return _like(state, command, facts)
        case UnlikePost():
            return _unlike(state, command, facts)
    raise TypeError(f"{type(command).__name__} is no command of comments or likes")


def _add(state: State | None, command: AddComment, facts: Facts) -> tuple[Event, ...]:
    if state is not None:
        raise Refused(
            f"comment {command.comment_id} is there already", rule="comment-already-added", field="comment_id"
        )
    post = standing(facts.streams[command.post_id], command.post_id)
    before = [post.published_at, user(facts, command.author_id, "author_id").at]
    above: tuple[str, ...] = ()
    if command.parent_id is not None:
        parent = _parent(command, facts, command.parent_id)
        above, before = parent.path, [*before, parent.at]
    at = instant(command.at, facts, *before)
    return (
        CommentAdded(
            comment_id=command.comment_id,
            post_id=command.post_id,
            post_author_id=post.author_id,
            author_id=command.author_id,
            parent_id=command.parent_id,
            path=(*above, f"{_sortable(at)} {command.comment_id}"),
            text=command.text,
            at=at,
        ),
    )


def _parent(command: AddComment, facts: Facts, parent_id: str) -> Comment:
    parent = facts.streams[comment_stream(parent_id)]
    if not isinstance(parent, Comment) or parent.post_id != command.post_id:
        raise NotFound(
            f"there is no comment {parent_id} on post {command.post_id}", rule="unknown-comment", field="parent_id"
        )
    if parent.deleted:
        raise Refused(f"comment {parent_id} was deleted", rule="comment-deleted", field="parent_id")
    if len(parent.path) >= DEEPEST:
        raise Refused(f"a thread goes {DEEPEST} answers deep, no deeper", rule="thread-too-deep", field="parent_id")
    return parent


def _delete(state: State | None, command: DeleteComment, facts: Facts) -> tuple[Event, ...]:
    if not isinstance(state, Comment):
        raise NotFound(f"there is no comment {command.comment_id}", rule="unknown-comment", field="comment_id")
    if state.deleted:
        raise Refused(f"comment {command.comment_id} was deleted", rule="comment-deleted", field="comment_id")
    if command.user_id not in (state.author_id, state.post_author_id):
        raise Refused(
            f"neither the comment nor its post is by {command.user_id}", rule="not-the-author", field="user_id"
        )
    return (
        CommentDeleted(
            comment_id=command.comment_id,
            post_id=state.post_id,
            post_author_id=state.post_author_id,
            user_id=command.user_id,
            commented_at=state.at,
            at=instant(command.at, facts, state.at),
        ),
    )


def _like(state: State | None, command: LikePost, facts: Facts) -> tuple[Event, ...]:
    post = standing(facts.streams[command.post_id], command.post_id)
    before = [post.published_at, user(facts, command.user_id, "user_id").at]
    if isinstance(state, Like):
        if state.stands:
            raise Refused(f"{command.user_id} likes {command.post_id} already", rule="already-liked", field="post_id")
        before.append(state.at)
    at = instant(command.at, facts, *before)
    return (PostLiked(post_id=command.post_id, author_id=post.author_id, user_id=command.user_id, at=at),)


def _unlike(state: State | None, command: UnlikePost, facts: Facts) -> tuple[Event, ...]:
    post = standing(facts.streams[command.post_id], command.post_id)
    if not isinstance(state, Like) or not state.stands:
        raise Refused(f"{command.user_id} does not like {command.post_id}", rule="not-liked", field="post_id")
    return (
        PostUnliked(
            post_id=command.post_id,
            author_id=post.author_id,
            user_id=command.user_id,
            liked_at=state.at,
            at=instant(command.at, facts, state.at),
        ),
    )


def _sortable(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _added(_state: State | None, event: CommentAdded) -> State:
    return Comment(event.post_id, event.post_author_id, event.author_id, event.path, event.at)


def _deleted(state: State | None, _event: CommentDeleted) -> State | None:
    return replace(state, deleted=True) if isinstance(state, Comment) else state


def _liked(_state: State | None, event: PostLiked) -> State:
    return Like(True, event.at)


def _unliked(_state: State | None, event: PostUnliked) -> State:
    return Like(False, event.at)


EVOLVE: dict[type[Event], Callable[[State | None, Any], State | None]] = {
    CommentAdded: _added,
    CommentDeleted: _deleted,
    PostLiked: _liked,
    PostUnliked: _unliked,
}

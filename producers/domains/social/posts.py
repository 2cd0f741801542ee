"""A post is published once by a user, edited and deleted by its author alone; after that nothing follows."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from producers.decider import Facts
from producers.domains.social.states import Post, State, instant, standing, user
from schemas import Command, Event, Refused
from schemas.social.commands import DeletePost, EditPost, PublishPost
from schemas.social.events import PostDeleted, PostEdited, PostPublished


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command on a post. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case PublishPost():
            return _publish(state, command, facts)
        case EditPost():
            return _edit(_own(state, command), command, facts)
        case DeletePost(post_id=post_id, author_id=author):
            post = _own(state, command)
            return (PostDeleted(post_id=post_id, author_id=author, at=instant(command.at, facts, post.at)),)
    raise TypeError(f"{type(command).__name__} is no command of a post")


def _publish(state: State | None, command: PublishPost, facts: Facts) -> tuple[Event, ...]:
    if state is not None:
        raise Refused(f"post {command.post_id} was already published", rule="post-already-published", field="post_id")
    author = user(facts, command.author_id, "author_id")
    return (
        PostPublished(
            post_id=command.post_id,
            author_id=command.author_id,
            text=command.text,
            tags=_once(command.tags),
            at=instant(command.at, facts, author.at),
        ),
    )


def _edit(post: Post, command: EditPost, facts: Facts) -> tuple[Event, ...]:
    tags = _once(command.tags)
    if (post.text, post.tags) == (command.text, tags):
        return ()
    at = instant(command.at, facts, post.at)
    return (PostEdited(post_id=command.post_id, author_id=command.author_id, text=command.text, tags=tags, at=at),)


def _own(state: State | None, command: EditPost | DeletePost) -> Post:
    post = standing(state, command.post_id)
    if post.author_id != command.author_id:
        raise Refused(f"post {command.post_id} is not by {command.author_id}", rule="not-the-author", field="author_id")
    return post


def _once(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


def _published(_state: State | None, event: PostPublished) -> State:
    return Post(event.author_id, event.text, event.tags, event.at, event.at)


def _edited(state: State | None, event: PostEdited) -> State | None:
    if not isinstance(state, Post):
        return state
    return replace(state, text=event.text, tags=event.tags, at=event.at)


def _deleted(state: State | None, event: PostDeleted) -> State | None:
    return replace(state, text="", tags=(), at=event.at, deleted=True) if isinstance(state, Post) else state


EVOLVE: dict[type[Event], Callable[[State | None, Any], State | None]] = {
    PostPublished: _published,
    PostEdited: _edited,
    PostDeleted: _deleted,
}

"""The network in ClickHouse: `tables.sql`, named queries in `queries/`, rules of the audit in `constraints/`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from sinks.table import Table


def _columns(*names: str) -> dict[str, Callable[[Any], Any]]:
    return {name: attrgetter(name) for name in names}


TABLES = (
    Table(
        "posts",
        key="post_id",
        columns={
            **_columns("author_id", "status", "text", "likes", "comments", "edits"),
            "tags": lambda post: list(post.tags),
            **_columns("published_at", "edited_at", "deleted_at"),
        },
        personal=("text",),
    ),
    Table(
        "users",
        key="user_id",
        columns=_columns("handle", "name", "posts", "likes", "followers", "following", "joined_at"),
        personal=("name",),
    ),
    Table(
        "comments",
        key="comment_id",
        columns={
            **_columns("post_id", "author_id", "parent_id", "text", "at", "deleted_at"),
            "path": lambda comment: list(comment.path),
        },
        personal=("text",),
    ),
    Table("likes", key="like_id", columns=_columns("post_id", "user_id", "at")),
    Table("follows", key="follow_id", columns=_columns("follower_id", "followee_id", "at")),
)

"""The social demo: a synthetic week of a network, its counters, timelines and trends held against a plain pass."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.demo import Ask, Demo, Fed
from infra.demo.network import Action, week
from infra.demo.network_pass import AS_OF, HALF_LIFE, READER, answers
from schemas import Command
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

_BAR = 40


def _command(action: Action) -> Command:
    _, at, who, what, post, parent, tags = action
    match action.kind:
        case "register":
            return RegisterUser(user_id=who, handle=f"synthetic_{who}", name=f"Synthetic {who}", at=at)
        case "publish":
            return PublishPost(post_id=what, author_id=who, text=f"post {what}", tags=tags, at=at)
        case "edit":
            return EditPost(post_id=what, author_id=who, text=f"post {what}, edited", tags=tags, at=at)
        case "delete":
            return DeletePost(post_id=what, author_id=who, at=at)
        case "like":
            return LikePost(post_id=what, user_id=who, at=at)
        case "unlike":
            return UnlikePost(post_id=what, user_id=who, at=at)
        case "comment":
            text, above = f"comment {what}", parent or None
            return AddComment(comment_id=what, post_id=post, author_id=who, text=text, parent_id=above, at=at)
        case "uncomment":
            return DeleteComment(comment_id=what, user_id=who, at=at)
        case "follow":
            return FollowUser(follower_id=who, followee_id=what, at=at)
    return UnfollowUser(follower_id=who, followee_id=what, at=at)


def _commands(actions: Sequence[Action]) -> Iterator[Fed]:
    return (("social", f"social-demo-{number}", _command(action)) for number, action in enumerate(actions))


def _ask(ask: Ask) -> dict[str, Any]:
    [totals] = ask("social", "totals")
    trending = ask("social", "trending", at=AS_OF.isoformat(), half_life=HALF_LIFE, limit=10)
    days: dict[str, list[int]] = {}
    for row in ask("social", "activity"):
        day = days.setdefault(row["hour"][:10], [0, 0])
        day[0], day[1] = day[0] + row["likes"], day[1] + row["comments"]
    return {
        "totals": totals,
        "trending": [[row["post_id"], row["author_id"], row["score"]] for row in trending],
        "timeline": [row["post_id"] for row in ask("social", "home-timeline", user_id=READER, limit=20)],
        "followed": [[row["user_id"], row["followers"]] for row in ask("social", "most-followed", limit=5)],
        "tags": [[row["tag"], row["people"], row["posts"]] for row in ask("social", "trending-tags")],
        "days": days,
    }


def _show(found: Mapping[str, Any]) -> RenderableType:
    trending = Table("post", "by", "score", title=f"Trending on {AS_OF:%A, %H:%M}", box=None)
    tags = Table("tag", "people", "posts", title="Tags of the week", box=None)
    for column in (trending.columns[2], *tags.columns[1:]):
        column.justify = "right"
    for post, author, score in found["trending"]:
        trending.add_row(post, author, f"{score:.2f}")
    for tag, people, posts in found["tags"]:
        tags.add_row(f"#{tag}", f"{people:,}", f"{posts:,}")
    days = Table("day", "likes", "comments", "", title="Activity", box=None)
    most = max(likes for likes, _ in found["days"].values())
    for day, (likes, comments) in found["days"].items():
        days.add_row(day, f"{likes:,}", f"{comments:,}", "█" * round(_BAR * likes / most))
    side = Table.grid(padding=(0, 6))
    side.add_row(trending, tags)
    whole = found["totals"]
    return Group(
        side,
        days,
        f"\nWhat stands: {whole['users']:,} users, {whole['posts']:,} posts, {whole['comments']:,} comments, "
        f"{whole['likes']:,} likes, {whole['follows']:,} follows. The input is synthetic.",
    )


DEMO = Demo(
    name="social",
    title="A synthetic week of a social network: posts, threads, likes, follows, timelines, trends.",
    domains=("social",),
    read=week,
    opening=lambda actions: f"{len(actions):,} synthetic actions of a week go in as commands now.",
    commands=_commands,
    ask=_ask,
    expected=answers,
    show=_show,
    verdict="Exactly what a plain pass over the input gives.",
    next=(
        f"curl '{{url}}/api/social/queries/home-timeline?user_id={READER}&limit=5'",
        f"curl '{{url}}/api/social/queries/who-to-follow?user_id={READER}'",
        "./headrace audit social",
    ),
)

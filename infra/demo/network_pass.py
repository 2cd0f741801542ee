"""The plain pass over a synthetic week: what the answers of the social demo must be, with sets and sums alone."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from infra.demo.network import END, START, Action

AS_OF = END - timedelta(hours=12)
READER = "u017"
HALF_LIFE = 6.0


class Standing:
    """What stands at the end of the week."""

    def __init__(self, actions: Sequence[Action]) -> None:
        self.posts: dict[str, Action] = {}
        self.edited: dict[str, Action] = {}
        self.comments: dict[str, Action] = {}
        self.likes: dict[tuple[str, str], datetime] = {}
        self.follows: set[tuple[str, str]] = set()
        self.users: set[str] = set()
        for action in actions:
            getattr(self, f"_{action.kind}")(action)

    def _register(self, action: Action) -> None:
        self.users.add(action.who)

    def _publish(self, action: Action) -> None:
        self.posts[action.what] = action

    def _edit(self, action: Action) -> None:
        self.edited[action.what] = action

    def _delete(self, action: Action) -> None:
        del self.posts[action.what]

    def _like(self, action: Action) -> None:
        self.likes[action.who, action.what] = action.at

    def _unlike(self, action: Action) -> None:
        del self.likes[action.who, action.what]

    def _comment(self, action: Action) -> None:
        self.comments[action.what] = action

    def _uncomment(self, action: Action) -> None:
        del self.comments[action.what]

    def _follow(self, action: Action) -> None:
        self.follows.add((action.who, action.what))

    def _unfollow(self, action: Action) -> None:
        self.follows.remove((action.who, action.what))

    def tags(self, post: str) -> tuple[str, ...]:
        """The tags of a post after its edits."""
        return (self.edited.get(post) or self.posts[post]).tags


def answers(actions: Sequence[Action]) -> dict[str, Any]:
    """The answers, in the form in which the demo asks for them."""
    standing = Standing(actions)
    return {
        "totals": {
            "users": len(standing.users),
            "posts": len(standing.posts),
            "posts_counted": len(standing.posts),
            "comments": len(standing.comments),
            "comments_counted": len(standing.comments),
            "likes": len(standing.likes),
            "likes_counted": len(standing.likes),
            "follows": len(standing.follows),
            "follows_counted": len(standing.follows),
        },
        "trending": _trending(standing),
        "timeline": _timeline(standing),
        "followed": _followed(standing),
        "tags": _tags(standing),
        "days": _days(standing),
    }


def _trending(standing: Standing) -> list[list[Any]]:
    scores: dict[str, float] = defaultdict(float)
    given = [(post, at, 1) for (_, post), at in standing.likes.items()]
    given += [(comment.post, comment.at, 2) for comment in standing.comments.values()]
    for post, at, worth in given:
        if post in standing.posts and at.replace(minute=0, second=0) <= AS_OF:
            hours = (AS_OF - at.replace(minute=0, second=0)) // timedelta(hours=1)
            scores[post] += worth * 0.5 ** (hours / HALF_LIFE)
    best = sorted(scores.items(), key=lambda item: (-round(item[1], 4), item[0]))[:10]
    return [[post, standing.posts[post].who, round(score, 4)] for post, score in best]


def _timeline(standing: Standing) -> list[str]:
    whom = {READER} | {other for one, other in standing.follows if one == READER}
    posts = [(-action.at.timestamp(), post) for post, action in standing.posts.items() if action.who in whom]
    return [post for _, post in sorted(posts)[:20]]


def _followed(standing: Standing) -> list[list[Any]]:
    counted = Counter(other for _, other in standing.follows)
    return [[who, count] for who, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:5]]


def _tags(standing: Standing) -> list[list[Any]]:
    people: dict[str, set[str]] = defaultdict(set)
    posts: Counter[str] = Counter()
    for post, action in standing.posts.items():
        for tag in standing.tags(post):
            people[tag].add(action.who)
            posts[tag] += 1
    order = sorted(posts, key=lambda tag: (-len(people[tag]), -posts[tag], tag))
    return [[tag, len(people[tag]), posts[tag]] for tag in order]


def _days(standing: Standing) -> dict[str, list[int]]:
    likes = Counter(f"{at:%Y-%m-%d}" for at in standing.likes.values())
    comments = Counter(f"{comment.at:%Y-%m-%d}" for comment in standing.comments.values())
    days = [f"{START + timedelta(days=day):%Y-%m-%d}" for day in range(7)]
    return {day: [likes[day], comments[day]] for day in days}

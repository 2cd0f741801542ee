"""A synthetic week of a social network, made with a fixed seed; no person behind it is real.

People and posts are as unequal as in life (Zipf), some posts burst, and what is done on a phone without a connection
arrives hours late, in another order than it was done in.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import NamedTuple

USERS, FOLLOWS, POSTS = 300, 3_000, 1_200
START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=7)
TAGS = ("music", "football", "cats", "news", "python", "travel", "food", "games", "art", "science")
_LATE, _HOURS_LATE = 0.05, 6.0
_LONGEST_LIFE = timedelta(hours=60)


class Action(NamedTuple):
    """What somebody did at an instant, in the order of arrival. `what` is a post, a comment or a person."""

    kind: str
    at: datetime
    who: str
    what: str
    post: str = ""
    parent: str = ""
    tags: tuple[str, ...] = ()


@dataclass
class _Made:
    """Actions by the instant of their arrival; the number keeps those of one instant in order."""

    random: Random
    arrivals: list[tuple[datetime, int, Action]] = field(default_factory=list)

    def add(self, action: Action, *, may_be_late: bool = False, after: datetime = START) -> datetime:
        """Put an action in; answers when it arrives, which is not before `after`."""
        late = may_be_late and self.random.random() < _LATE
        delay = timedelta(hours=self.random.uniform(0.5, _HOURS_LATE)) if late else timedelta(0)
        arrival = max(action.at + delay, after)
        insort(self.arrivals, (arrival, len(self.arrivals), action))
        return arrival


def week(seed: int = 20260302) -> list[Action]:
    """All actions of the week in the order in which they arrive, users first."""
    random = Random(seed)
    people = [f"u{number:03}" for number in range(USERS)]
    weights = list(accumulate(1 / (rank + 1) for rank in range(USERS)))
    made = _Made(random)
    _follows(made, people, weights)
    for number in range(POSTS):
        author = random.choices(people, cum_weights=weights)[0]
        _life(made, f"p{number:04}", author, people, weights)
    registered = [Action("register", START, who, who) for who in people]
    return [*registered, *_allowed(action for _, _, action in made.arrivals)]


def _instant(random: Random, since: datetime, longest: timedelta) -> datetime:
    """Some instant since another one, before the week's end; whole seconds, as phones have them."""
    until = min(since + longest, END - timedelta(seconds=1))
    return since + timedelta(seconds=random.randint(0, int((until - since).total_seconds())))


def _follows(made: _Made, people: list[str], weights: list[float]) -> None:
    random, pairs = made.random, set[tuple[str, str]]()
    while len(pairs) < FOLLOWS:
        pair = random.choice(people), random.choices(people, cum_weights=weights)[0]
        if pair[0] == pair[1] or pair in pairs:
            continue
        pairs.add(pair)
        at = _instant(random, START, timedelta(days=2))
        made.add(Action("follow", at, *pair))
        if random.random() < 0.04:
            made.add(Action("unfollow", _instant(random, at, timedelta(days=5)), *pair))


def _life(made: _Made, post: str, author: str, people: list[str], weights: list[float]) -> None:
    """A post with its likes and comments: most get few, some burst, all fade within hours."""
    random = made.random
    at = _instant(random, START, timedelta(days=7))
    tags = tuple(dict.fromkeys(random.choices(TAGS, [1 / (n + 1) for n in range(len(TAGS))], k=random.randint(0, 3))))
    made.add(Action("publish", at, author, post, tags=tags))
    burst = random.random() < 0.02
    amount = min(USERS - 1, int(random.paretovariate(0.9)) + (random.randint(80, 200) if burst else 0))
    for who in random.sample(people, amount):
        liked = _fading(random, at, 1.0 if burst else 8.0)
        there = made.add(Action("like", liked, who, post), may_be_late=True)
        if random.random() < 0.05:
            made.add(Action("unlike", _instant(random, liked, timedelta(hours=5)), who, post), after=there)
    _thread(made, post, at, [random.choices(people, cum_weights=weights)[0] for _ in range(amount // 4)])
    if random.random() < 0.1:
        made.add(Action("edit", _instant(random, at, timedelta(hours=12)), author, post, tags=tags[:1]))
    if random.random() < 0.04:
        made.add(Action("delete", _instant(random, at, timedelta(days=2)), author, post))


def _thread(made: _Made, post: str, at: datetime, people: list[str]) -> None:
    random, above = made.random, list[tuple[str, datetime, datetime]]()
    for number, who in enumerate(people):
        comment, parent = f"{post}-c{number}", random.choice(above) if above and random.random() < 0.5 else None
        since, after = parent[1:] if parent else (at, at)
        said = _fading(random, since, 6.0)
        action = Action("comment", said, who, comment, post, parent[0] if parent else "")
        there = made.add(action, may_be_late=True, after=after)
        above.append((comment, said, there))
        if random.random() < 0.03:
            made.add(Action("uncomment", _instant(random, said, timedelta(hours=9)), who, comment, post), after=there)


def _fading(random: Random, since: datetime, hours: float) -> datetime:
    longest = min(_LONGEST_LIFE, timedelta(hours=random.expovariate(1 / hours)))
    return (
        _instant(random, since, longest)
        if since + longest >= END
        else since + timedelta(seconds=int(longest.total_seconds()))
    )


def _allowed(actions: Iterator[Action]) -> Iterator[Action]:
    """What the apps would let people do: nothing about what is deleted or was never there, as of its arrival."""
    gone, comments, likes = set[str](), set[str](), set[tuple[str, str]]()
    for action in actions:
        match action.kind:
            case "like" | "edit" if action.what in gone:
                continue
            case "unlike" if action.what in gone or (action.who, action.what) not in likes:
                continue
            case "comment" if action.post in gone or (action.parent and action.parent not in comments):
                continue
            case "uncomment" if action.what not in comments:
                continue
            case "delete":
                gone.add(action.what)
            case "comment":
                comments.add(action.what)
            case "uncomment":
                comments.remove(action.what)
            case "like":
                likes.add((action.who, action.what))
        yield action

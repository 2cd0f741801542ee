"""The names of the streams. Posts are streams under their own id, which has no colon in it."""


def user_stream(user_id: str) -> str:
    """The stream of a user."""
    return f"user:{user_id}"


def comment_stream(comment_id: str) -> str:
    """The stream of a comment."""
    return f"comment:{comment_id}"


def like_stream(post_id: str, user_id: str) -> str:
    """The stream of what one user thinks of one post."""
    return f"like:{post_id}:{user_id}"


def follows_stream(follower_id: str, followee_id: str) -> str:
    """The stream of a follow on the follower's side."""
    return f"follows:{follower_id}:{followee_id}"


def followers_stream(follower_id: str, followee_id: str) -> str:
    """The stream of a follow on the side of the one who is followed."""
    return f"followers:{followee_id}:{follower_id}"

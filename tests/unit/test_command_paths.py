"""The paths of commands, and the field of a body that the path may stand for."""

from dataclasses import replace
from typing import Any

from producers.http.paths import stream_field
from schemas import Command, Id, discover
from schemas.orders import AddProduct, PayOrder


class Delete(Command, frozen=True, kw_only=True):
    post_id: Id


class Like(Command, frozen=True, kw_only=True):
    post_id: Id
    user_id: Id


def _stream_of(command: Any) -> str:
    return f"{command.post_id}:{command.user_id}" if isinstance(command, Like) else str(command.post_id)


def test_a_path_stands_for_the_field_that_is_the_stream_of_that_very_kind_of_command() -> None:
    orders = discover()["orders"]
    posts = replace(orders, commands=(Delete, Like), stream_of=_stream_of)
    assert (stream_field(posts, Delete), stream_field(posts, Like)) == ("post_id", None)
    assert (stream_field(orders, PayOrder), stream_field(orders, AddProduct)) == ("order_id", None)

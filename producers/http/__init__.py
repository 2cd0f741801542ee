"""The HTTP intake of commands: route handlers for Litestar, and problem documents for every error."""

from producers.http.documents import components
from producers.http.history import History
from producers.http.problems import EXCEPTION_HANDLERS, Problem, problem
from producers.http.routes import routes

__all__ = ["EXCEPTION_HANDLERS", "History", "Problem", "components", "problem", "routes"]

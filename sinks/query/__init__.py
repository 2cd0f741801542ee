"""Queries over HTTP: rows of aggregates, events, and named SQL, each answer saying how fresh it is."""

from sinks.query.documents import components
from sinks.query.routes import routes

__all__ = ["components", "routes"]

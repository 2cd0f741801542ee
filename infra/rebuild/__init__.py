"""Builds a domain's tables anew beside the live ones, proves them equal, and switches to them."""

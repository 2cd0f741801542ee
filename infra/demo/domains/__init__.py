"""The demos: each module declares one as `DEMO` and is found by its name."""

"""One module a benchmark, each with a `SUITE`; they are found, not listed."""

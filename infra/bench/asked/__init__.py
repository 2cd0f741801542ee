"""The parts of `bench query`: tables as full as one likes, made by ClickHouse itself, and bare clients."""

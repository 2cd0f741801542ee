"""The parts of `bench latency`: commands at a pace over HTTP, watchers of each hop, and the bare way."""

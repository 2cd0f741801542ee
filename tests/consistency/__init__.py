"""The consistency run: workers are killed, paused and added at random under load, and every key must be exact."""

"""From a request to its receipt: group commit, loading, deciding, and the snapshots that keep loading short."""

"""The parts of `bench replay`."""

"""The parts of the local backend, each on real files and real processes."""

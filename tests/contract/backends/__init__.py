"""One suite for every backend: `worlds.World` says what a backend brings to take part."""

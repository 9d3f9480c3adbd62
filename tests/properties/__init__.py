"""Random worlds: what must hold whatever happens."""

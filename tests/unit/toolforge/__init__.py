"""The pure parts of the Toolforge backend."""

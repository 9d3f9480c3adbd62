"""The whole loop of one tool in a world in memory and virtual time."""

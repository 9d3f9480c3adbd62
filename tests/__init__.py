"""Everything that proves the program: see docs/contributing.md for what belongs where."""

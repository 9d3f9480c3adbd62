"""Reading configs: every mistake with its place and words."""

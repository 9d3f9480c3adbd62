"""`make bench`: how fast the parts are that every deployment passes, against a budget each.

`cases` measures, `__main__` prints. Not part of `make test`: figures of a busy machine say little.
"""

"""Where components are built and run: one contract (`base`), one package per implementation.

The implementations are independent of each other; only composition roots know which one is used.
"""

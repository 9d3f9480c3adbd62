"""The core: observe → plan (pure) → effects → status (pure) → one patch.

Read `reconciler.py` first: it is the whole flow on one screen.
"""

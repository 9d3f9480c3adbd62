"""The HTTP APIs of ours: they create and read objects; the controller does the work.

Nothing here knows backends, the reconcile loop or the work queue.
"""

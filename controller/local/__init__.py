"""The embedded control plane of ``ptd local``: a Kubernetes-compatible API over SQLite.

Only controller.app may import this package; nothing in it may be needed by another mode.
"""

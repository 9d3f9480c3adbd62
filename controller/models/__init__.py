"""The domain's data: pydantic models of the custom resources, and their vocabulary.

Nothing here does I/O, reads a clock or knows HTTP, the Kubernetes client or a backend.
"""

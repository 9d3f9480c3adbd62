"""Builds and runs on this machine: no Docker, no root.

`backend.LocalBackend` is the only entry; `docs/local.md` tells how it works and what it leaves on
disk. Nothing outside this package may import another module of it.
"""

"""Composition roots: the only place where the parts are put together, one module per role.

`control` is the controller (watch, reconcile, poll, lead), `local` the same on the embedded
control plane and the local backend. No decisions and no second code path: modes differ in what is
passed in.
"""

"""The contract of a git transport, against a real git server over HTTP."""

"""The gate: what `make` runs to set up this clone, and to check everything before a change lands.

The Makefile only names these modules. Those that run before there is an environment (`environment`,
`kubectl`, `prometheus`) use nothing but the standard library.
"""

"""Stand-ins of Toolforge's builds-api and jobs-api, for tests and benchmarks.

They answer as the real services do (statuses, error shapes, limits, the traps of their status), and
`tests/contract/toolforge` holds them to the services' OpenAPI documents and to a recording of the
real jobs-api. Run them alone with `python -m tests.support.toolforge`.
"""

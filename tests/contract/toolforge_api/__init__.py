"""The HTTP API, held to what Toolforge's own service and client do."""

"""Machinery that knows nothing of deployments: work queue, worker loop, leader lease."""

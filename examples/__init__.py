"""What a tenant brings, and the demo that plays one: see examples/README.md."""

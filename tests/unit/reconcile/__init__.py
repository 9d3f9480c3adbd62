"""The pure core: plan, status and what they are made of."""

"""The HTTP API's parts, without a control plane."""

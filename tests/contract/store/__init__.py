"""What store, watcher and leadership expect of a control plane, on every one we have."""

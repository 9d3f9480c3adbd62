"""What several tests share: second implementations, virtual time, servers with faults."""

"""What tests stand on: second implementations of our Protocols, servers, and worlds."""

"""Our HTTP routes, asked as a client would."""

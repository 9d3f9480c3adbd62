"""Our objects on the control plane. The only package that knows the client library.

`client` opens the connection, `calls` makes one request and names its failure, `kinds` says what
our kinds are and reads them, `objects` is what the rest of the program uses; `feed` serves the
object watcher, `leases` the leadership, `secrets` the tokens, credentials and namespaces.
"""

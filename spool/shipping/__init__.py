"""From this host to the object store: segments in order, waiters, forks."""

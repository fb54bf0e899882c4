"""The local write-ahead log: batches, segments, group commit, recovery."""

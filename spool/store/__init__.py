"""The object store: keys, conditional puts, what a store must prove."""

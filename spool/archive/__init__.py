"""The object store: keys, conditional puts, shipping, heads, floors."""

"""How events come in: the library client, NDJSON."""

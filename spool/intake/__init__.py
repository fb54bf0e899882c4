"""How events come in: the library client (`client`), lines of a pipe (`lines`), NDJSON (`ndjson`)."""

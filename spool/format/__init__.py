"""Pure bytes: a segment is a Kafka log segment, an object a row of chunks of stored batches. No files, no store."""

"""Pure bytes: a segment is a Kafka log segment, an object holds chunks of stored batches. No files, no store."""

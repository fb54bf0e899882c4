"""The spool: events are durable on disk and in S3 first, then in Kafka exactly once. See README.md."""

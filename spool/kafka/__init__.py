"""What the engine knows of Kafka and of its clients: topics, watermarks, transactions, errors. See README.md."""

"""Into Kafka: planning, transactions, checkpoint, refusals."""

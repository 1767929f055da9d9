"""The job that never ends: each micro-batch from Kafka to Postgres and the lake, exactly once."""

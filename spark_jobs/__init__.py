"""The stream from Kafka to the Delta lake and the speed layer in Postgres, and the jobs that look after the lake."""

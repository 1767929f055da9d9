"""The payments world, its simulator, and the command line that sends its events to Kafka."""

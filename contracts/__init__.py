"""What every component agrees on, as data: Avro schemas, topics, expectations, rules and reference data."""

"""What a customer's text says: language, sentiment, entities, key phrases and a summary."""

"""What models and rules decide: requests, versions and arms, answers with reasons, and the record of all that."""

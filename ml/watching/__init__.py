"""Whether the world is still the one that the models learnt: drift of requests, answers and performance."""

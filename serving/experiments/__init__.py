"""GET /api/experiments: what came of splitting traffic between versions of a model."""

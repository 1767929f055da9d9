"""Training sets, models, evaluation, registry and drift; anomalies of the live series."""

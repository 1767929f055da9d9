"""`python -m ml.anomalies`."""

from ml.anomalies.cli import app

app()

"""`python -m spark_jobs`."""

from spark_jobs.cli import app

app()

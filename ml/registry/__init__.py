"""Runs, registered models and their aliases in MLflow, the gates, and promotion on evidence."""

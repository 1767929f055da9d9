"""Candidates, their comparison by time-aware cross-validation, and the training run of each model."""

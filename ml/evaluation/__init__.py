"""What is shown of a model: figures with their uncertainty, policies by what was logged, plots and a card."""

"""Point-in-time training sets from the lake or from a person's own file."""

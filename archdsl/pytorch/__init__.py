"""A graph as something that runs."""

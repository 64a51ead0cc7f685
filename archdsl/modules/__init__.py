"""A graph as a tree of modules and calls."""

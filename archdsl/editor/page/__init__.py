"""The live page: a spec beside its figure and its numbers, in a browser."""

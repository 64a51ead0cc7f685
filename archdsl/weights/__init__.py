"""Weights of others: read from files, matched to a network, taken over, and written."""

"""PyTorch modules read as graphs, and graphs as specs."""

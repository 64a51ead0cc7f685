"""What a graph costs, without running it."""

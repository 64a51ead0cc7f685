"""The graph: data and queries, its invariants, its JSON."""

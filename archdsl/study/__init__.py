"""Many networks from one spec: scaling families, searches and sweeps."""

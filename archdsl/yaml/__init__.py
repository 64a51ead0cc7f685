"""Text to plain data with places; the only part that knows YAML."""

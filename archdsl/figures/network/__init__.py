"""What figures draw, as data."""

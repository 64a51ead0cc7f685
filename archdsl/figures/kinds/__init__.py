"""The kinds of figures, one file a kind."""

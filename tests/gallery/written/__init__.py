"""Networks written from papers and published tables, in PyTorch, that specs are held to."""

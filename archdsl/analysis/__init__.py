"""What can be known of a network without running it: graph to frozen result."""

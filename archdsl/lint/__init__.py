"""What is allowed and looks wrong."""

"""What a document may say, read into typed nodes."""

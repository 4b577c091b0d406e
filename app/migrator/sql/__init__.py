"""What a statement does, read from its tokens."""

"""What is wrong, or probably not meant, in rules. Pure."""

"""What a score says, whatever file it came from; nothing here draws or sounds."""

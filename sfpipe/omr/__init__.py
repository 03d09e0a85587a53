"""Reading the notes of a score from its image (section 4.2)."""

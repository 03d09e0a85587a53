"""Which played note is which note of the score, and where on the strip that is."""

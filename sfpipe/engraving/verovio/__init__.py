"""Verovio: scores drawn, with the place of every note head by its id."""

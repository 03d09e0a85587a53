"""Human performances: aligned with the score, recorded or made audible under four conditions."""

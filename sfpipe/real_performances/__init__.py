"""Human performances: recorded or made audible under four conditions."""

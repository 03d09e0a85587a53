"""Auxiliary losses: they teach the convolutions to read and to hear; not used in play."""

"""Auxiliary losses: they form the features of both branches; not used in play."""

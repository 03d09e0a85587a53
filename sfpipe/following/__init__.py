"""Followers: agents, baselines and reference players behind one interface."""

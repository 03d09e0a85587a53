"""Followers: agents, baselines and reference players behind one interface.

`sfpipe.following.registry.load_follower` gives one by name.
"""

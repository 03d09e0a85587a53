"""Measurements of speed, as ratios to a restatement of the 2019 reference in the same run."""

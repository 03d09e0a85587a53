"""Stage `scores`: systems -> one strip, and the map from onsets to its pixels."""

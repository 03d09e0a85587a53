"""The networks of the paper (Tables 1 and 2), their policies, weights, and agents on disk."""

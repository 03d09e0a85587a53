"""Stage `download`: data sets as declarations, fetched, hashed, split."""

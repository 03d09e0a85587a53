"""Stage `evaluate`: metrics of section 4.1 and the games they are computed from."""

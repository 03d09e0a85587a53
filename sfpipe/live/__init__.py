"""Following a performance while it sounds."""

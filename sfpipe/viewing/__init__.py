"""Looking at games: videos with sound, the page with cursors, and playing oneself."""

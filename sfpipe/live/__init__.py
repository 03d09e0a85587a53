"""Following while the music sounds: sources of sound, the engine, the server and its page."""

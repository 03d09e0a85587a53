"""LilyPond sources -> systems, note heads and MIDI; the sources are treated as hostile programs."""

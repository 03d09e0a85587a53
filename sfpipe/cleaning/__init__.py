"""Stage `clean`: pieces whose image, note heads and MIDI disagree are rejected with a reason."""

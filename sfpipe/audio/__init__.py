"""Stages `synthesize` and `spectrograms`: MIDI -> audio -> spectrogram, offline and streaming."""

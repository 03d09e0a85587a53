"""Stages `synthesize` and `spectrograms`: MIDI -> audio -> log-frequency spectrogram."""

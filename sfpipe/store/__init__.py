"""HDF5 stores of strips and spectrograms, and their packed form for the game."""

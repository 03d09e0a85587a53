"""Other people's layouts into the stores: the authors' data, MSMD's archives, own recordings."""

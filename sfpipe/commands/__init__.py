"""The commands of `sfpipe`: each parses, calls one function of the library, and prints."""

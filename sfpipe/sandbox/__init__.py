"""Running a program that must not be trusted."""

"""The score following game (section 2): dynamics, observations, Gymnasium shells, players."""

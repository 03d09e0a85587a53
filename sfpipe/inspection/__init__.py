"""Looking inside: what an agent attends to, represents and does, and the report of a run."""

"""What agents are compared with: followers that learn nothing, or learn another way."""

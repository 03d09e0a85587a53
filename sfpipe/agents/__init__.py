"""Stage `train`: networks (Tables 1 and 2), REINFORCE, A2C, PPO, imitation, trainer."""

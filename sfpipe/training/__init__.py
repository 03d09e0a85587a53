"""Stage `train`: one trainer; reinforce, a2c, ppo, dagger, belief and MM-Loc are its learners."""

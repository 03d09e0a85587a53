"""An agent with a memory: it believes something about place and tempo, and plans on its belief.

The paper's agents see one window and two seconds of sound, and decide from that alone. This one
remembers. A network says how well the newest frame goes with each place of the score, and how long
the notes printed there last (`network`); it learns both from labelled passages, without playing
(`passages`, `training`). Sound that arrives frame by frame costs one column of each layer
(`hearing`). While it plays, a Bayes filter over score position and tempo adds up what
the network says from frame to frame (`filtering`), and the agent makes the move that keeps it
nearest to where the belief will be (`planning`): the same moves, -1, 0 or +1 px/frame.
"""

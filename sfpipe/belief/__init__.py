"""An agent with a memory: a belief about place and tempo, and planning on it.

The paper's agents decide from one window and two seconds of sound. This one remembers. A network
gives the likelihood of each place of the score for the newest frame, and how long the notes printed
there last (`network`); it learns both from labelled crops, without playing
(`sfpipe.training.belief`). Sound that arrives frame by frame costs one column of each layer
(`streaming`). In play a Bayes filter over score position and tempo adds up the likelihoods from
frame to frame (`filter`), and the agent makes the move that keeps it nearest to where the belief
will be (`planning`): the same moves, -1, 0 or +1 px/frame.
"""

"""Runs in pymatchmaker's own environment: one method on one recording, as JSON from and to files.

It imports nothing of sfpipe. `python peers_worker.py methods OUT` lists the methods for audio;
`python peers_worker.py follow JOB OUT` follows: JOB holds score, audio, method, tempo; OUT gets
the positions (quarters from the first note), their times (s) and the processor time (s).
"""

import json
import sys
import time


def methods():
    """The methods for audio of the version that is installed."""
    from matchmaker import matchmaker

    return list(matchmaker.AVAILABLE_METHODS["audio"])


def follow(job):
    """Follow one recording from its begin to its end."""
    from matchmaker import Matchmaker

    began = time.process_time()
    follower = Matchmaker(
        score_file=job["score"],
        performance_file=job["audio"],
        input_type="audio",
        method=job["method"],
        tempo=job["tempo"],
        unfold_score=False,
    )
    prepared = time.process_time()
    for _ in follower.run(verbose=False):
        pass
    ended = time.process_time()
    beats, seconds = follower.score_follower.alignment_path
    part = follower.score_part
    first = part.note_array()["onset_quarter"].min()
    quarters = [float(part.quarter_map(part.inv_beat_map(beat)) - first) for beat in beats]
    return {
        "quarters": quarters,
        "seconds": [float(second) for second in seconds],
        "prepare_s": prepared - began,
        "follow_s": ended - prepared,
    }


if __name__ == "__main__":
    if sys.argv[1] == "methods":
        result = methods()
    else:
        with open(sys.argv[2]) as file:
            result = follow(json.load(file))
    with open(sys.argv[-1], "w") as file:
        json.dump(result, file)

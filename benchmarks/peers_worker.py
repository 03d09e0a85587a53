"""Runs in pymatchmaker's own environment: one method on one recording after the other.

It imports nothing of sfpipe. A job is a line of JSON on standard input, its answer a line on
standard output. ``{}``: the methods for audio. ``{"score", "audio", "method", "tempo"}`` (quarters
a minute): the positions (quarters from the first note), their times (s) and the processor time (s);
or ``{"error"}``.
"""

import json
import os
import sys
import time

# They are told beats of the metre a minute (eighths in 6/8), the others quarters.
IN_BEATS = ("skf", "outerhmm")


def methods():
    """The methods for audio of the version that is installed."""
    from matchmaker import matchmaker

    return list(matchmaker.AVAILABLE_METHODS["audio"])


def beats_in_a_quarter(score):
    """Of the metre that a score begins in: 2 in 6/8."""
    import partitura

    part = partitura.load_score(score).parts[0]
    first = part.note_array()["onset_div"].min()
    later = first + part.quarter_duration_map(first)
    return float(part.beat_map(later) - part.beat_map(first))


def follow(job):
    """Follow one recording from its begin to its end."""
    from matchmaker import Matchmaker

    tempo = job["tempo"]
    if job["method"] in IN_BEATS:
        tempo *= beats_in_a_quarter(job["score"])
    began = time.process_time()
    follower = Matchmaker(
        score_file=job["score"],
        performance_file=job["audio"],
        input_type="audio",
        method=job["method"],
        tempo=tempo,
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


def main():
    """Answer until the input ends."""
    # The library prints: its words go where errors go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = follow(job) if job else methods()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

import time
from threading import Event, Thread

import pytest

from sfpipe.errors import SfpipeError
from sfpipe.training.log import TrainingLog


def test_another_training_that_writes_the_same_curves_is_told_in_a_line(tmp_path):
    log, done = TrainingLog(tmp_path / "curves"), Event()

    def another():
        while not done.is_set():  # two ends of two writers, as they may be found
            (tmp_path / "curves/metrics.json").write_text('{"step": 1}\n}\n', "utf-8")

    writer = Thread(target=another)
    writer.start()
    try:
        end = time.monotonic() + 60
        with pytest.raises(SfpipeError, match=r"curves.*another training writes its curves here"):
            while time.monotonic() < end:
                log.write(1, {"reward": 0.5})
    finally:
        done.set()
        writer.join()

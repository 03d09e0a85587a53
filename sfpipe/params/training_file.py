"""Stage `train-params`: what of params.yaml a training uses, as a file that `train` depends on.

DVC cannot choose sections by a parameter's value. It reruns this stage, which takes a second, after
any change below `train`, and the training only where the file has changed by it.
"""

from __future__ import annotations

from pathlib import Path

from sfpipe.files import write_json
from sfpipe.params.train import TrainParams


def write_training_params(params: TrainParams, out: Path, *, algo: str, seed: int) -> None:
    """Write algorithm, seed, and the values that decide what is learned, as JSON."""
    write_json(out, {"algo": algo, "seed": seed, **params.used(algo)})

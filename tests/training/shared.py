"""Trainings of some kinds on all processes of `torchrun`: FOLDER KIND..."""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

from sfpipe.errors import SfpipeError
from sfpipe.training.distributed import Processes, joined
from tests.toy import stop_after
from tests.training.kinds import trainer


def same_bits(processes: Processes, network: torch.nn.Module) -> bool:
    """Whether all processes have the same weights."""
    mine = torch.cat([t.double().flatten() for t in network.state_dict().values()])
    theirs = processes.agree(lambda: mine)
    return not any(processes.counts(int(not torch.equal(mine, theirs))))


def main(folder: Path, kinds: list[str]) -> None:
    torch.set_num_threads(1)
    with joined("cpu") as processes:
        for kind in kinds:
            stopped = trainer(
                kind,
                processes=processes,
                checkpoint=folder / f"{kind}.two",
                # One process is told, all stop.
                should_stop=stop_after(2) if processes.rank else lambda: False,
            )
            try:
                stopped.run()
            except SfpipeError as error:
                assert "interrupted" in str(error)
            else:
                raise AssertionError("it did not stop")
            for name, file in (("whole", None), ("resumed", folder / f"{kind}.one")):
                done = trainer(kind, processes=processes, checkpoint=file)
                done.run()
                same = same_bits(processes, done.network)
                if processes.first:
                    weights = done.network.state_dict()
                    out = {"state": asdict(done.state), "weights": weights, "same": same}
                    torch.save(out, folder / f"{kind}.{name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

"""Training of MM-Loc: supervised on crops, validated on random examples."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from sfpipe.baselines.mm_loc import MmLoc
from sfpipe.baselines.mm_loc_examples import Drawn, Examples
from sfpipe.params import MmLocParams
from sfpipe.store.bank import Bank
from sfpipe.training.learner import Figures, Learner
from sfpipe.training.mm_loc_crops import MmLocCrops


class MmLocLearner(Learner[MmLoc]):
    """Cross-entropy of the place on all examples of a few crops.

    Parameters
    ----------
    network:
        Trained in place.
    bank, valid_bank:
        Performances to train on, and to choose weights and stop by.
    """

    unit = "examples"

    def __init__(
        self,
        network: MmLoc,
        bank: Bank,
        valid_bank: Bank,
        params: MmLocParams,
        *,
        seed: int,
        bfloat16: bool = False,
    ):
        self.params, self.bfloat16 = params, bfloat16
        super().__init__(
            network,
            seed=seed,
            device=bank.device,
            learning_rate=(params.learning_rate, params.learning_rate),
            max_grad_norm=params.max_grad_norm,
        )
        self.max_updates, self.evaluate_every = params.max_updates, params.evaluate_every
        self.valid_examples = Examples(valid_bank, network.context)
        generator = torch.Generator(bank.device).manual_seed(seed + 1)
        self.valid_drawn = self.valid_examples.draw(params.validation_examples, generator)
        self.crops = MmLocCrops(network, Examples(bank, network.context), params)
        self.train_beside(crops=self.crops)

    def learn(self) -> dict[str, Any]:
        """One optimiser step on fresh crops; `frames` counts their examples."""
        self.network.train()
        loss, n = self.crops.loss(self.generator, bfloat16=self.bfloat16)
        norm = self.descend(loss)
        return {"frames": n, "policy_loss": loss.detach(), "gradient_norm": norm}

    @torch.no_grad()
    def validate(self) -> Figures:
        """Loss (nats above that of the soft targets themselves) and median distance, px."""
        network = self.evaluated.eval()
        loss, distances = 0.0, []
        n = len(self.valid_drawn.x)
        for at in range(0, n, 256):
            drawn = Drawn(*(field[at : at + 256] for field in self.valid_drawn))
            images = self.valid_examples.look(
                drawn.column, drawn.first_frame, bfloat16=self.bfloat16
            )
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
                logits = network(*images)
            labels = network.labels(drawn.x)
            part = F.kl_div(logits.log_softmax(1), labels, reduction="batchmean")
            loss += float(part) * len(drawn.x) / n
            distances.append((network.places(logits) - drawn.x).abs())
        return {"loss": loss, "error_px": float(torch.cat(distances).median())}

    def better(self, figures: Figures, best: Figures) -> bool:
        """The lower validation loss."""
        return not best or figures["loss"] < best["loss"]

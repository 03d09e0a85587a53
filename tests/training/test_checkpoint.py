import pytest
import torch

from sfpipe.agents.networks import ActorCritic
from sfpipe.errors import SfpipeError
from sfpipe.params import Schedule
from sfpipe.store.window import WINDOWS
from sfpipe.training.a2c import A2C
from sfpipe.training.checkpoint import (
    PART_BYTES,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from tests.toy import TinyNetwork, ramp_bank


def random_state(n: int, seed: int = 0) -> dict:
    return {"x": torch.randn(n, generator=torch.Generator().manual_seed(seed)), "frames": seed}


def equal(a: dict, b: dict) -> bool:
    return a["frames"] == b["frames"] and torch.equal(a["x"], b["x"])


def test_parts_are_small_and_give_every_bit_back(tmp_path):
    path = tmp_path / "c.pt"
    state = random_state(5000)
    save_checkpoint(path, state, part_bytes=6000)
    parts = sorted(tmp_path.glob("*.part"))
    assert len(parts) == 4
    assert all(p.stat().st_size <= 6000 for p in tmp_path.iterdir())
    assert equal(load_checkpoint(path), state)
    # moved elsewhere, they are one again
    (tmp_path / "elsewhere").mkdir()
    for file in (path, *parts):
        file.rename(tmp_path / "elsewhere" / file.name)
    assert load_checkpoint(path) is None
    assert equal(load_checkpoint(tmp_path / "elsewhere/c.pt"), state)


def test_the_table_2_network_needs_parts_and_each_is_under_16_mib(tmp_path):
    network = ActorCritic(WINDOWS["msmd"])
    optimiser = torch.optim.Adam(network.parameters())
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    weights = network.state_dict()
    state = {"network": weights, "best": weights, "optimiser": optimiser.state_dict()}
    save_checkpoint(tmp_path / "c.pt", state)
    sizes = [p.stat().st_size for p in tmp_path.glob("*.part")]
    assert len(sizes) >= 3 and max(sizes) <= PART_BYTES < 16 << 20
    back = load_checkpoint(tmp_path / "c.pt")
    assert all(torch.equal(back["network"][k], v) for k, v in weights.items())
    moments = back["optimiser"]["state"]
    for i, kept in optimiser.state_dict()["state"].items():
        assert all(torch.equal(moments[i][k], kept[k]) for k in ("exp_avg", "exp_avg_sq"))


def test_a_newer_checkpoint_replaces_parts_and_all_are_removed(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint(tmp_path / "other.pt", random_state(3000), part_bytes=6000)
    others = {p.name for p in tmp_path.iterdir()}
    for seed, n in ((1, 5000), (2, 4000), (3, 100)):
        save_checkpoint(path, random_state(n, seed), part_bytes=6000)
        assert equal(load_checkpoint(path), random_state(n, seed))
    assert {p.name for p in tmp_path.iterdir()} == others | {"c.pt"}
    save_checkpoint(path, random_state(5000), part_bytes=6000)
    remove_checkpoint(path)
    assert {p.name for p in tmp_path.iterdir()} == others


def test_killed_between_the_parts_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    old = random_state(5000, 1)
    save_checkpoint(path, old, part_bytes=6000)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sfpipe.training.checkpoint.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, random_state(5000, 2), part_bytes=6000)
    assert equal(load_checkpoint(path), old)


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped", "list"])
def test_damaged_parts_are_said_in_one_line(tmp_path, damage):
    path = tmp_path / "c.pt"
    save_checkpoint(path, random_state(5000), part_bytes=6000)
    part = sorted(tmp_path.glob("*.part"))[1]
    content = bytearray(part.read_bytes())
    if damage == "missing":
        part.unlink()
    elif damage == "truncated":
        part.write_bytes(content[:-1])
    elif damage == "flipped":
        content[7] ^= 1
        part.write_bytes(content)
    else:
        path.write_text('{"parts": ')
    with pytest.raises(SfpipeError) as told:
        load_checkpoint(path)
    line = str(told.value)
    assert line.startswith(str(part if damage == "missing" else path))
    assert "\n" not in line and told.value.remedy


def test_a_checkpoint_of_another_kind_of_device_goes_on():
    """A GPU's generator state has 16 bytes; on a processor the actor draws from a fresh one."""

    def learner(seed: int = 3) -> A2C:
        return A2C(TinyNetwork(1), ramp_bank(), Schedule(n_games=2, t_max=3), seed=seed)

    first = learner()
    first.update()
    saved = first.state_dict()
    twin, moved, again = learner(), learner(), learner()
    twin.load_state_dict(saved)
    elsewhere = saved | {"actor": torch.zeros(16, dtype=torch.uint8)}
    moved.load_state_dict(elsewhere)
    again.load_state_dict(elsewhere)
    draws = [torch.rand(4, generator=x.actor.generator) for x in (first, twin, moved, again)]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[2], draws[3])
    assert not torch.equal(draws[0], draws[2])
    assert all(torch.equal(v, twin.network.state_dict()[k]) for k, v in saved["network"].items())


def test_what_kills_left_of_parts_is_removed_too(tmp_path):
    path = tmp_path / "c.pt"
    left = tmp_path / ".c-0123456789ab-01.999999999.tmp.part"
    left.write_bytes(b"half")
    save_checkpoint(path, random_state(5000), part_bytes=6000)
    assert not left.exists()
    assert equal(load_checkpoint(path), random_state(5000))

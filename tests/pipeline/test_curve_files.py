"""The committed learning curves: `dvc plots` draws every one of them."""

from pathlib import Path

import pytest
import yaml

CURVES = Path(__file__).parents[2] / "metrics" / "curves"


@pytest.mark.parametrize("folder", [CURVES, CURVES / "msmd"], ids=lambda folder: folder.name)
def test_every_curve_is_drawn_over_frames_and_over_time(folder: Path) -> None:
    named = yaml.safe_load((folder / "dvc.yaml").read_text())["plots"]
    drawn = {
        title: entry["y"]
        for plot in named
        if isinstance(plot, dict)
        for title, entry in plot.items()
    }
    files = {file.name: "r_on" for file in folder.glob("*.csv")}
    assert files
    assert drawn == {"over frames": files, "over time": files}
    assert all((folder / plot).exists() for plot in named if isinstance(plot, str))

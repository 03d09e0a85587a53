"""Stage `report`: the last of the pipeline, two files for a browser."""

from __future__ import annotations

from pathlib import Path

from sfpipe.agents.agent import PRETRAINED
from sfpipe.inspection.report import write_report
from sfpipe.params import Params
from sfpipe.paths import Paths
from sfpipe.viewing.page import page
from sfpipe.viewing.select_performance import Selection


def overview(
    params: Params,
    paths: Paths,
    metrics: Path,
    out: Path,
    *,
    pages: Path,
    agent: Path,
    follow: Path | None = None,
) -> str:
    """Write the report on the results in `metrics`, and a page on which the agent follows a tune.

    Parameters
    ----------
    pages:
        Folder of page views; those of the worst pieces are linked from the report.
    agent:
        Folder of the agent.
    follow:
        The page, of a test piece drawn by ``params.seed``; None: no page.

    Returns
    -------
    str
        The report's path; with a page both files and what they show, one a line.

    Raises
    ------
    SfpipeError
        If results, stores or the agent cannot be read.
    """
    write_report(metrics, out, engraved=paths.engraved, pages=pages, pretrained=PRETRAINED)
    if follow is None:
        return str(out)
    page(params, paths, [str(agent)], Selection(), out=follow)
    return (
        f"Open in a browser:\n  {out}: the results, learning curves, errors\n"
        f"  {follow}: the agent follows a tune, with sound"
    )

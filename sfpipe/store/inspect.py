"""A store as text: `sfpipe inspect FILE`."""

from __future__ import annotations

import json
from pathlib import Path

from sfpipe.store.reader import describe


def describe_store(path: str | Path, most: int = 24) -> str:
    """What is inside a store: origin, counts per split, the first `most` arrays.

    Raises
    ------
    SfpipeError
        If the file is no store.
    """
    info = describe(path)
    rows = info["datasets"]
    splits = ", ".join(f"{n} {name}" for name, n in sorted(info["splits"].items()))
    lines = [
        f"{path}: {info['kind']} of '{info['dataset']}', schema version {info['schema_version']}",
        f"  {info['pieces']} pieces ({splits}), {len(rows)} arrays",
        f"  tools: {', '.join(f'{k} {v}' for k, v in sorted(info['tools'].items()))}",
        f"  params: {json.dumps(info['params'], sort_keys=True)}",
    ]
    width = max((len(name) for name, _, _ in rows[:most]), default=0)
    lines += [f"  {name:{width}}  {dtype:8} {shape}" for name, shape, dtype in rows[:most]]
    if len(rows) > most:
        lines.append(f"  ... and {len(rows) - most} more")
    if info["skipped"]:
        lines.append(f"  skipped {len(info['skipped'])}:")
        lines += [f"    {piece}: {why}" for piece, why in sorted(info["skipped"].items())]
    return "\n".join(lines)

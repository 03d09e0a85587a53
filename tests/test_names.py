"""Names by which classes are found: each stands for one thing in the whole package."""

import ast
from collections import defaultdict

from tests.pipeline.closure import ROOT


def test_class_names_are_unique():
    places = defaultdict(list)
    for path in sorted((ROOT / "sfpipe").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: files for name, files in places.items() if len(files) > 1} == {}

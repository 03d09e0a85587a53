"""Which files of sfpipe a module imports, directly or through others: read from the syntax."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sfpipe"
# The stages that make data from a data set alone, and their commands, in their order.
MAKING_DATA = ("download", "engrave", "clean", "synthesize", "spectrograms", "scores")


def closure(module: str, without: frozenset[str] = frozenset()) -> set[str]:
    """Paths relative to the project of `module` and all it imports from sfpipe.

    `without` names functions, as ``file.py:name``, that are not called.
    """
    found: set[str] = set()
    todo = [module]
    while todo:
        file = file_of(todo.pop())
        if file not in found:
            found.add(file)
            skipped = {
                name for path, _, name in (x.partition(":") for x in without) if path == file
            }
            todo += imports(file, frozenset(skipped))
    return found


def file_of(module: str) -> str:
    """The file of a module or package, relative to the project."""
    base = ROOT.joinpath(*module.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    return str(path.relative_to(ROOT))


@cache
def imports(file: str, skipped: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Modules that a file imports anywhere but for ``if TYPE_CHECKING`` and `skipped` functions."""
    visitor = _Imports(file, skipped)
    visitor.visit(ast.parse((ROOT / file).read_text("utf-8")))
    return tuple(visitor.found)


class _Imports(ast.NodeVisitor):
    def __init__(self, file: str, skipped: frozenset[str]):
        self.file, self.skipped = file, skipped
        self.found: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name not in self.skipped:
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        for child in node.orelse if name == "TYPE_CHECKING" else ast.iter_child_nodes(node):
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"{self.file}: relative import"
        assert node.module
        self._add(node.module)
        for alias in node.names:
            self._add(f"{node.module}.{alias.name}")

    def _add(self, module: str) -> None:
        parts = module.split(".")
        if parts[0] != "sfpipe":
            return
        # `from package import module` and `from module import function` look alike.
        for n in range(2, len(parts) + 1):
            base = PACKAGE.joinpath(*parts[1:n])
            if base.is_dir() or base.with_suffix(".py").is_file():
                self.found.append(".".join(parts[:n]))


def as_deps(files: set[str]) -> list[str]:
    """Files as DVC deps: a folder where all of its Python files are among them."""
    deps = set()
    for file in files:
        folder = (ROOT / file).parent
        inside = {str(p.relative_to(ROOT)) for p in folder.rglob("*.py")}
        deps.add(str(folder.relative_to(ROOT)) if inside <= files else file)
    return sorted(deps, key=lambda dep: (dep.endswith(".py") and dep.count("/") == 1, dep))


if __name__ == "__main__":  # python -m tests.pipeline.closure sfpipe.training.stage
    import sys

    for name in sys.argv[1:]:
        print(name, *as_deps(closure(name) - {"sfpipe/__init__.py"}), sep="\n      - ")

"""Fail if a function body of four or more lines stands twice.

Two bodies are the same when their syntax trees agree once docstrings, annotations and the names
of local variables are set aside: a copy with renamed variables is still a copy.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

MIN_LINES = 4
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class _LocalNames(ast.NodeTransformer):
    """Number the names that a function binds, in order of appearance; drop annotations."""

    def __init__(self, bound: set[str]) -> None:
        self.bound, self.order = bound, dict[str, str]()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.bound:
            node.id = self.order.setdefault(node.id, f"_{len(self.order)}")
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def body_of(function: FunctionNode) -> list[ast.stmt]:
    """Statements of a function without its docstring."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    return function.body[1:] if has_docstring else function.body


def fingerprint(function: FunctionNode) -> str:
    """Text that is equal for two bodies that differ only in local names and annotations."""
    copy = ast.parse(ast.unparse(function)).body[0]
    bound = {node.arg for node in ast.walk(copy) if isinstance(node, ast.arg)}
    bound |= {
        n.id for n in ast.walk(copy) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    renamed = _LocalNames(bound)
    return "\n".join(ast.dump(renamed.visit(statement)) for statement in body_of(copy))


def long_bodies(path: Path) -> list[tuple[str, str]]:
    """(fingerprint, place) of each function in a file whose body has at least MIN_LINES lines."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, FunctionNode) and (body := body_of(node)):
            n_lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
            if n_lines >= MIN_LINES:
                found.append(
                    (fingerprint(node), f"{path}:{node.lineno} {node.name} ({n_lines} lines)")
                )
    return found


def main(roots: list[str]) -> int:
    """Print every group of equal bodies below the roots; return how many there are."""
    places = defaultdict(list)
    for root in roots:
        for path in sorted(Path(root).rglob("*.py")):
            for text, place in long_bodies(path):
                places[text].append(place)
    groups = [group for group in places.values() if len(group) > 1]
    for group in groups:
        print("The same function body stands at\n  " + "\n  ".join(group))
    print(f"duplicate bodies: {len(groups)} in {sum(map(len, places.values()))} functions")
    return len(groups)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))

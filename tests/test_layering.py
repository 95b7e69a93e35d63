"""The house rules, read off the sources: arrows point downward, files and functions stay short, no assert in the package."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

import minidl

PACKAGE = pathlib.Path(minidl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in FILES]
every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)

LAYERS = [
    ["errors", "arguments", "dtypes", "devices", "shapes", "config", "pools"],
    ["kernels"],
    ["versions", "printing", "modes", "tensor", "making", "tape", "anomaly", "hooks", "engine", "gradients", "gradcheck", "data"],
    ["ops", "creation", "random", "autograd"],
    ["nn", "optim"],
    ["io", "models"],
    ["train", "distributed"],
    ["cli", "utils", "config_report", "__init__", "__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# An import inside a function is made when it is needed; these few look up on purpose, as their comments say.
LATE = {("config_report", "kernels")}


def part_of(path):
    """The name of the file or folder directly under the package that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_parts(tree, path):
    """Names of the parts of the package that a file imports at its top level."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level < depth:
                continue
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.split(".")[0] for name in names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "minidl":
            yield from [node.module.split(".")[1]] if "." in node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("minidl."))


@every_file
def test_imports_point_downward(path):
    tree = ast.parse(path.read_text())
    mine = part_of(path)
    assert mine in LEVEL, f"{mine} has no layer: add it to LAYERS"
    for other in imported_parts(tree, path):
        if other in LEVEL and other != mine:
            assert LEVEL[other] <= LEVEL[mine], f"{mine} (layer {LEVEL[mine]}) imports {other} (layer {LEVEL[other]})"


@every_file
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= 400, "more than 400 lines: look for the second idea in this file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 60, f"{node.name} has {length} lines"


@every_file
def test_no_assert_and_no_leftovers(path):
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.Assert), f"line {node.lineno}: raise a worded error instead"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"line {node.lineno}: name what is caught"
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    assert text.isascii(), "plain ASCII keeps every terminal and editor happy"


@every_file
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def run(code):
    """The words that a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent).stdout.split()


def test_heavy_modules_are_not_imported():
    loaded = run("import sys, minidl; print(*sys.modules)")
    unwanted = {"torch", "scipy", "matplotlib", "sklearn", "onnx", "tqdm", "numpy.random", "minidl.nn", "minidl.train", "safetensors"}
    assert not unwanted & set(loaded)


def test_layer_families_are_imported_when_first_asked_for():
    loaded = run("import sys, minidl; print(*sys.modules)")
    assert "minidl.ops.matmul" in loaded
    assert "minidl.ops.conv" not in loaded


def test_both_lists_of_layer_families_agree():
    tree = ast.parse((PACKAGE / "ops" / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    listed = [node.module for node in block.body if isinstance(node, ast.ImportFrom)]
    assert run("from minidl import ops; print(*ops._LAYERS)") == listed == sorted(listed)


def test_names_that_do_not_exist_say_so():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        _ = minidl.no_such_thing
    with pytest.raises(AttributeError):
        _ = minidl.ones(1).no_such_thing

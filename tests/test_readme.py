"""The README's example runs, and the files that README and CONTRIBUTING name exist."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md")


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def python_blocks(page: str) -> list[str]:
    """The code blocks of a page that are marked as Python."""
    return re.findall(r"^```python\n(.*?)^```", text_of(page), flags=re.M | re.S)


def test_readme_example_learns_digits():
    pytest.importorskip("sklearn")
    (example,) = python_blocks("README.md")
    assert example.count("\n") <= 26
    done = subprocess.run([sys.executable, "-W", "error", "-c", example], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.9, done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_named_files_exist(page):
    """Paths in backquotes; placeholders such as <family> stand for any name."""
    quoted = re.findall(r"`([\w<>*./-]+/[\w<>*./-]*|[\w<>*-]+\.(?:py|pyx|h|c|toml|json))`", text_of(page))
    patterns = [re.sub(r"<\w+>", "*", name) for name in quoted if not name.startswith(("runs/", "dist/", "build/", ".venv"))]
    assert patterns
    folders = [ROOT / name for name in ("minidl", "tests", "benchmarks", "tools")]
    assert [name for name in patterns if not any(ROOT.glob(name)) and not any(any(f.rglob(name)) for f in folders)] == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    named = set(re.findall(r"`?make ([a-z][a-z-]+)", text_of(page)))
    defined = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), flags=re.M))
    assert named - defined - {"sure"} == set()


def test_readme_names_every_environment_variable():
    sources = [*ROOT.glob("setup.py"), *(ROOT / "minidl").rglob("*.py"), *(ROOT / "minidl").rglob("*.pyx")]
    used = {name for path in sources for name in re.findall(r"environ(?:\.get\(|\[)[\"'](MINIDL_\w+)", path.read_text())}
    assert used
    assert used - set(re.findall(r"MINIDL_\w+", text_of("README.md"))) == set()

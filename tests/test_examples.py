"""Every example runs, at its quick size; each is short, seeded, and listed in the README. `make examples` runs them at full size."""

import pathlib
import re
import runpy
import struct

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@every_example
def test_example_runs_and_draws(path, tmp_path, capsys):
    pytest.importorskip("sklearn", reason="needs scikit-learn, of the extra demo")
    pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra demo")
    main = runpy.run_path(str(path))["main"]
    assert main(tmp_path / "new" / "folder", quick=True) is not None
    assert "folder" in capsys.readouterr().out, "the last line says where the pictures are"
    pictures = list((tmp_path / "new" / "folder").glob("*.png"))
    assert pictures
    for picture in pictures:
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width >= 400 and height >= 300 and picture.stat().st_size > 10_000


@every_example
def test_example_is_short_and_says_how_to_run_it(path):
    text = path.read_text()
    assert text.count("\n") < 150
    assert f"python examples/{path.name} [folder] [--quick]" in text
    assert "--quick" in text and text.isascii()


def test_the_readme_lists_every_example():
    listed = re.findall(r"\]\(examples/(\w+\.py)\)", (ROOT / "README.md").read_text())
    assert sorted(listed) == [path.name for path in EXAMPLES]


def test_resnet20_reads_cifar(tmp_path):
    """Random pictures in CIFAR-10's form: the network has nothing to learn, but everything runs."""
    pytest.importorskip("matplotlib", reason="needs matplotlib, of the extra demo")
    rng = np.random.default_rng(0)
    for name in ("data_batch_1", "test_batch"):
        (tmp_path / f"{name}.bin").write_bytes(b"".join(bytes([i % 10]) + rng.bytes(3072) for i in range(20)))
    main = runpy.run_path(str(ROOT / "examples" / "resnet20_images.py"))["main"]
    assert 0 <= main(tmp_path / "out", quick=True, cifar=tmp_path) <= 1
    assert (tmp_path / "out" / "answers.png").stat().st_size > 10_000

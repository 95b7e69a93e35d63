"""The command line, in processes of its own where that matters."""

import os
import signal
import subprocess
import sys
import time

import pytest

import minidl
from minidl.cli.main import main


def test_info_reports_the_configuration(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for part in ("minidl", "instruction set", "OpenMP", "threads", "numpy"):
        assert part in text
    minidl.show_config()
    assert capsys.readouterr().out == text


def test_help_and_mistakes(capsys):
    for argv, code in ((["--help"], 0), ([], 2), (["demo", "resnet"], 2), (["demo", "lenet", "--epochs", "0"], 2)):
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == code
    assert "minidl" in capsys.readouterr().out


def run(*args, cwd):
    return subprocess.run([sys.executable, "-m", "minidl", *args], cwd=cwd, capture_output=True, text=True, timeout=400)


def test_an_error_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("demo", "lenet", "--out", "file", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("minidl: ")
    assert "Traceback" not in done.stderr


def test_the_demo_reads_digits(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = run("demo", "lenet", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "best.safetensors",
        "checkpoint.safetensors",
        "learning_curves.png",
        "metrics.csv",
        "predictions.png",
    }
    accuracy = float(done.stdout.split("test accuracy ")[1].split("%")[0])
    assert accuracy >= 98
    assert "images/s" in done.stderr


def heed_ctrl_c():
    """Undo what a shell does to its background jobs, from which the tests may have been started."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_the_last_checkpoint_and_resume_goes_on(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    command = [sys.executable, "-m", "minidl", "demo", "lenet", "--out", "out", "--epochs", "5000"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c)
    for _ in range(600):
        if (tmp_path / "out" / "checkpoint.safetensors").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        _, messages = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, messages
    assert "Traceback" not in messages
    epoch = int(messages.split("is complete to epoch ")[1].split(";")[0])
    assert epoch >= 1
    done = run("demo", "lenet", "--out", "out", "--epochs", str(epoch + 1), "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out" / "metrics.csv") as file:
        assert len(file.readlines()) == epoch + 2
    assert not [name for name in os.listdir(tmp_path / "out") if name.endswith(".part")]

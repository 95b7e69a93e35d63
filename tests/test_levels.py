"""Every instruction-set level that this machine has, and the reference switch, in processes of their own."""

import sys
from pathlib import Path

import pytest

import minidl
from minidl.errors import ArgumentError
from minidl.kernels.choice import LEVELS, choose_level
from processes import run_python

HERE = Path(__file__).parent
INFO = minidl.kernels.info()
ALLOWED = [level for level in INFO["built"] if LEVELS.index(level) <= LEVELS.index(INFO["allowed"])]
SUITE = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"


@pytest.mark.parametrize("level", [level for level in ALLOWED if level != INFO["level"]])
def test_the_kernel_tests_pass_at_every_level(level):
    output = run_python(SUITE, str(HERE / "test_kernels.py"), str(HERE / "test_denormals.py"), MINIDL_ISA=level)
    assert " passed" in output, output


def test_training_works_on_the_twins():
    output = run_python(SUITE, str(HERE / "test_tiny.py"), MINIDL_REFERENCE="1")
    assert " passed" in output, output


def test_the_environment_names_the_level():
    for level in ALLOWED:
        assert run_python("import minidl; print(minidl.kernels.info()['level'])", MINIDL_ISA=level).strip() == level


def test_choice_of_the_level():
    assert choose_level(["v2", "v3", "v4"], "v4", "")[0] == "v4"
    assert choose_level(["v2", "v3", "v4"], "v2", "")[0] == "v2"
    assert choose_level(["v2", "v4"], "v3", "")[0] == "v2"
    assert choose_level(["v2", "v3"], "v4", "v2") == ("v2", "MINIDL_ISA names it")
    with pytest.raises(ArgumentError, match="MINIDL_ISA: must be one of portable, v2, v3, v4, got 'v9'"):
        choose_level(["v2"], "v4", "v9")
    with pytest.raises(ArgumentError, match="must name a level that was built and that this machine allows"):
        choose_level(["v2", "v4"], "v3", "v4")
    with pytest.raises(ArgumentError, match="none of the levels built"):
        choose_level(["v4"], "v3", "")


def test_python_is_this_one():
    assert run_python("import sys; print(sys.executable)").strip() == sys.executable

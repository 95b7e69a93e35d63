"""The documentation is true: every example runs, every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import minidl

MODULES = sorted(
    name
    for _, name, _ in pkgutil.walk_packages(minidl.__path__, "minidl.")
    if not name.endswith("__main__") and "._" not in name and not name.startswith("minidl.kernels")
)


@pytest.mark.parametrize("name", ["minidl", *MODULES])
def test_examples_run(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    for test in finder.find(module, name):
        minidl.manual_seed(0)
        runner.run(test)
    assert runner.failures == 0


def public_functions():
    for name in sorted(dir(minidl)):
        value = getattr(minidl, name)
        if not name.startswith("_") and inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize(("name", "function"), list(public_functions()))
def test_public_functions_have_an_example(name, function):
    doc = inspect.getdoc(function) or ""
    assert doc.splitlines() and doc.splitlines()[0].endswith((".", ":")), f"{name} needs a sentence"
    assert ">>>" in doc, f"{name} needs an example"


@pytest.mark.parametrize("name", [n for n in sorted(dir(minidl.Tensor)) if not n.startswith("_")])
def test_methods_are_described(name):
    value = inspect.getattr_static(minidl.Tensor, name)
    if callable(value) or isinstance(value, property):
        assert inspect.getdoc(value), f"Tensor.{name} needs a sentence"

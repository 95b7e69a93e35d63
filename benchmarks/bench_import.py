"""What `import minidl` costs; asv runs the code of a `timeraw_` benchmark in a fresh process."""


def timeraw_import_minidl():
    return "import minidl"


def timeraw_import_numpy():
    return "import numpy"

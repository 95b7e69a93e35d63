"""Build of the compiled kernels: one set of sources, compiled once per instruction set.

Everything that is not about compiling stands in pyproject.toml. Environment variables understood here:

MINIDL_OPENMP=0           build without OpenMP (every kernel then runs on one thread)
MINIDL_LEVELS=v3,v4       build only these instruction-set levels
MINIDL_SANITIZE=address   build with a sanitizer, for `make asan`
"""

import copy
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from glob import glob

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = "minidl/kernels"
GENERATED = "build/cython"
X86 = platform.machine().lower() in {"x86_64", "amd64"}

# level -> alternatives of flags, tried in this order; the first that the compiler accepts is used, none accepted drops the level
LEVELS = {
    "v2": (["-march=x86-64-v2"], ["-msse4.2", "-mpopcnt"]),
    "v3": (["-march=x86-64-v3"], ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c"]),
    "v4": (
        ["-march=x86-64-v4", "-mprefer-vector-width=512"],
        ["-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl"],
    ),
}
if not X86:
    LEVELS = {"portable": ([],)}

C_FLAGS = [
    "-O3",
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fvisibility=hidden",
    "-Wall",
    "-Wno-unknown-pragmas",
]

OPENMP_PROGRAM = """
#include <omp.h>
#include <stdio.h>
int main(void) {
    int threads = 0;
    #pragma omp parallel num_threads(2) reduction(+:threads)
    threads += 1;
    printf("%d\\n", threads);
    return threads >= 1 ? 0 : 1;
}
"""

NO_OPENMP = """
minidl: the C compiler cannot build and run an OpenMP program, so the kernels would have no threads.
    compiler:  {compiler}
    tried:     {tried}
    it said:   {said}
Install OpenMP for this compiler (Debian and Ubuntu: gcc, or libomp-dev for clang; Fedora: gcc or libomp-devel;
macOS: `brew install libomp`), or set MINIDL_OPENMP=0 to build single-threaded kernels on purpose.
"""


def compile_command():
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()


def try_program(source, flags, run):
    """Compile (and link and run, when `run`) a C program; returns (worked, what the failing step said)."""
    with tempfile.TemporaryDirectory() as folder:
        path, program = os.path.join(folder, "probe.c"), os.path.join(folder, "probe")
        with open(path, "w") as file:
            file.write(source)
        steps = [[*compile_command(), path, "-o", program, *flags]] if run else [[*compile_command(), "-c", path, "-o", program, *flags]]
        if run:
            steps.append([program])
        for step in steps:
            try:
                done = subprocess.run(step, capture_output=True, text=True, timeout=60)
            except (OSError, subprocess.TimeoutExpired) as error:
                return False, str(error)
            if done.returncode:
                return False, (done.stderr or done.stdout or f"exit status {done.returncode}").strip()[:400]
    return True, ""


def openmp_flags():
    """The (compile, link) flags of OpenMP, or a readable end of the build."""
    if os.environ.get("MINIDL_OPENMP", "1") == "0":
        print("minidl: building without OpenMP, as MINIDL_OPENMP=0 asks")
        return [], []
    candidates = [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        prefix = os.environ.get("LIBOMP_PREFIX", "/opt/homebrew/opt/libomp")
        candidates.append((["-Xpreprocessor", "-fopenmp", f"-I{prefix}/include"], [f"-L{prefix}/lib", "-lomp"]))
    said = ""
    for compile_flags, link_flags in candidates:
        worked, said = try_program(OPENMP_PROGRAM, compile_flags + link_flags, run=True)
        if worked:
            return compile_flags, link_flags
    sys.exit(NO_OPENMP.format(compiler=" ".join(compile_command()), tried=" or ".join(" ".join(c) for c, _ in candidates), said=said))


def usable_levels():
    """{level: flags} for the levels that were asked for and whose flags the compiler accepts."""
    wanted = [name for name in os.environ.get("MINIDL_LEVELS", ",".join(LEVELS)).split(",") if name]
    unknown = sorted(set(wanted) - set(LEVELS))
    if unknown:
        sys.exit(f"minidl: MINIDL_LEVELS: every level must be one of {', '.join(LEVELS)}, got {', '.join(unknown)}")
    usable = {}
    for name in wanted:
        for flags in LEVELS[name]:
            if try_program("int main(void) { return 0; }", flags, run=False)[0]:
                usable[name] = flags
                break
        else:
            print(f"minidl: the compiler refuses the flags of level {name}, which is left out: {' '.join(LEVELS[name][0])}")
    if not usable:
        sys.exit("minidl: the compiler accepts no instruction-set level; see the messages above")
    return usable


def extensions():
    compile_openmp, link_openmp = openmp_flags()
    sanitize = [f"-fsanitize={os.environ['MINIDL_SANITIZE']}", "-fno-omit-frame-pointer", "-g"] if os.environ.get("MINIDL_SANITIZE") else []
    headers = glob(f"{KERNELS}/src/*.h")
    common = {
        "include_dirs": [numpy.get_include(), f"{KERNELS}/src"],
        "extra_link_args": link_openmp + sanitize,
        "depends": headers,
    }
    macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")]
    cython = {
        "build_dir": GENERATED,
        "compiler_directives": {"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True},
    }
    flags = C_FLAGS + compile_openmp + sanitize
    single = [
        Extension(f"minidl.kernels.{name}", [f"{KERNELS}/{name}.pyx"], define_macros=macros, extra_compile_args=flags, **common)
        for name in ("machine", "memory")
    ]
    # level.pyx becomes C once and is then compiled with the templates of src/ once per level, as the modules _v2, _v3, ...
    level = cythonize([Extension("minidl.kernels.level", [f"{KERNELS}/level.pyx"])], **cython)[0]
    per_level = [
        Extension(
            f"minidl.kernels._{name}",
            [*level.sources, f"{KERNELS}/src/float32.c", f"{KERNELS}/src/float64.c"],
            define_macros=[*macros, ("PyInit_level", f"PyInit__{name}"), ("MINIDL_LEVEL", f'"{name}"')],
            extra_compile_args=[*flags, *level_flags],
            **common,
        )
        for name, level_flags in usable_levels().items()
    ]
    return per_level + cythonize(single, **cython)


class BuildInParallel(build_ext):
    """Extensions side by side, each with its own folder of objects: they share sources that are compiled with different flags.

    All at once, however few the processors: three levels of the same length on two of them would otherwise take the time of four.
    """

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or len(self.extensions)

    def build_extension(self, ext):
        mine = copy.copy(self)
        mine.build_temp = os.path.join(self.build_temp, ext.name)
        super(BuildInParallel, mine).build_extension(ext)


building = not {"--help", "--version", "--name", "clean", "egg_info", "sdist"} & set(sys.argv[1:])
setup(ext_modules=extensions() if building else [Extension("minidl.kernels.machine", [])], cmdclass={"build_ext": BuildInParallel})

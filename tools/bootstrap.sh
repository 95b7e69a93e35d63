#!/bin/sh
# Usage: tools/bootstrap.sh VENV
# Makes the virtual environment VENV with a Python >= 3.11, or says in one message what the machine lacks.
# PYTHON=... chooses the interpreter, CC=... the compiler. Nothing outside VENV is changed.
set -eu
venv=$1

say() { printf '%s\n' "$*"; }
fail() {
    printf '\nminidl cannot be set up here: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        recent "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer." \
            "It says: $("$PYTHON" --version 2>&1 || true)"
        python=$PYTHON
        return
    fi
    for python in python3 python python3.13 python3.12 python3.11 python3.14; do
        if recent "$python"; then return; fi
    done
    fail "no Python 3.11 or newer was found." \
        "python3 on this machine: $(python3 --version 2>&1 || true)" \
        "Install one (Debian, Ubuntu: apt install python3 python3-venv python3-dev; Fedora: dnf install python3-devel)" \
        "or name one: make PYTHON=/path/to/python3.12 ..."
}

compiles() { # compiles COMMAND...: does it compile and link a program?
    probe=$(mktemp -d)
    printf 'int main(void) { return 0; }\n' > "$probe/probe.c"
    if "$@" "$probe/probe.c" -o "$probe/probe" >/dev/null 2>&1; then found=0; else found=1; fi
    rm -rf "$probe"
    return $found
}

# The compiler is CC, or the one this Python was built with, or else the first that works; the last case is noted for the build.
find_compiler() {
    own=$("$python" -c 'import sysconfig; print((sysconfig.get_config_var("CC") or "").split(" ")[0])')
    compiler=
    # CC may hold arguments ("ccache gcc"), so it is split into words on purpose.
    # shellcheck disable=SC2086
    if [ -n "${CC:-}" ]; then
        compiles $CC || fail "CC=$CC does not compile and link a program."
        return
    fi
    if [ -n "$own" ] && compiles "$own"; then return; fi
    for compiler in gcc cc clang; do
        if compiles "$compiler"; then return; fi
    done
    fail "no C compiler was found (tried $own, gcc, cc, clang)." \
        "Install one (Debian, Ubuntu: apt install gcc libc6-dev; Fedora: dnf install gcc) or name one: make CC=clang ..."
}

check_headers() {
    "$python" - <<'EOF' || fail "the headers of $python (Python.h) are missing." \
        "Install them (Debian, Ubuntu: apt install python3-dev; Fedora: dnf install python3-devel)"
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
EOF
}

make_venv() {
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        "$python" -m venv --clear "$venv"
    elif "$python" -c 'import virtualenv' >/dev/null 2>&1; then
        "$python" -m virtualenv --quiet --clear "$venv"
    else
        fail "$python has neither the modules venv and ensurepip nor virtualenv." \
            "Install them (Debian, Ubuntu: apt install python3-venv) or name another Python: make PYTHON=..."
    fi
}

find_python
find_compiler
check_headers
say "Creating $venv with $("$python" --version 2>&1) ($(command -v "$python"))"
make_venv
printf '%s' "$compiler" > "$venv/compiler"

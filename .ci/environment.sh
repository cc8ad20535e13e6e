#!/bin/sh
# Make ./.venv with every extra, or find that it is up to date. `make env` calls this from the root of the clone.
#
# The stamp is written last and says what the environment was made from; a missing or different one means install
# again. A mark is laid before pip starts and taken away when it has ended: a mark left over means that pip was cut off
# and may have unpacked half a package, which a second pip would take for a whole one, so everything is made anew.
set -eu

venv=.venv
stamp=$venv/bsrnn-environment
mark=$venv/bsrnn-unfinished

say() { printf 'make env: %s\n' "$*"; }
fail() { printf 'make env: %s\n' "$*" >&2; exit 1; }

can_apt() { [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; }
apt() {
    say "installing Debian packages: $*"
    DEBIAN_FRONTEND=noninteractive apt-get update -qq || true # an old list may do
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null
}

state() { # what a finished environment was made from, in one line
    printf '%s %s %s\n' "$(cat constraints.txt pyproject.toml | git hash-object --stdin)" \
        "$("$venv/bin/python" -c 'import sys; print(sys.version.split()[0])' 2>/dev/null || echo none)" "$(pwd)"
}

suits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() { # sets $python to an interpreter of at least 3.11 that can make an environment
    if [ -n "${PYTHON:-}" ]; then candidates=$PYTHON; else candidates='python3 python3.13 python3.12 python3.11'; fi
    lacking=
    for python in $candidates; do
        if suits "$python"; then
            if has_venv "$python"; then return 0; fi
            lacking=${lacking:-$python}
        fi
    done
    if [ -z "$lacking" ]; then
        fail "no Python of at least 3.11 found (tried: $candidates); install one, or name it: make env PYTHON=..."
    fi
    package=$("$lacking" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    python=$lacking
    if can_apt && apt "$package" && has_venv "$python"; then return 0; fi
    fail "$lacking has no venv module; on Debian or Ubuntu: sudo apt-get install $package"
}

command -v git >/dev/null 2>&1 || fail "git is missing"

if ! command -v ffmpeg >/dev/null 2>&1 || ! command -v ffprobe >/dev/null 2>&1; then
    if ! { can_apt && apt ffmpeg; }; then
        say "no ffmpeg and ffprobe: left out are the chapter on a real recording, MUSDB18's mp4 files, musdb and" \
            "museval; to have them, install ffmpeg (apt-get install ffmpeg, brew install ffmpeg) and run this again"
    fi
fi

if [ -e "$stamp" ] && [ ! -e "$mark" ] && [ "$(cat "$stamp")" = "$(state)" ]; then exit 0; fi

moved=
if [ -e "$stamp" ] && [ "$(cut -d' ' -f3- "$stamp")" != "$(pwd)" ]; then moved=yes; fi # its scripts name the old place
usable() {
    [ ! -e "$mark" ] && [ -z "$moved" ] && suits "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1
}
if ! usable; then
    find_python
    if [ -e "$mark" ]; then say "the last installation was cut off; starting over"; fi
    say "a new environment in $venv from $python"
    "$python" -m venv --clear "$venv"
fi
rm -f "$stamp"
touch "$mark"
say "installing the package with all extras (about 2 GB to fetch, 6 GB on disk, some minutes)"
"$venv/bin/python" -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
state >"$stamp.new"
mv "$stamp.new" "$stamp"
rm -f "$mark"
say "done"

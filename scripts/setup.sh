#!/usr/bin/env bash
# Installs what the project lacks on this machine; quick and silent when nothing is missing.
#   setup.sh                what building, serving and testing need
#   setup.sh --development  what `make check` and `make format` need
#   setup.sh --images       what the tests of the images need: a Docker daemon, and debootstrap
# LANGUAGES="python bash" names the languages that contexts can have; it is remembered until another list is given.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# The C++ library of this distribution's own compiler.
cxx_package() {
  apt-cache depends cpp 2>/dev/null | sed -n 's/.*Depends: cpp-\([0-9]*\)$/libstdc++-\1-dev/p' | head --lines=1
}

installed() { dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

missing_of() {
  local package
  for package in "$@"; do
    installed "$package" || echo "$package"
  done
}

# Runs apt-get as root, if we may.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    return 1
  fi
}

update_lists() { as_root apt-get update --quiet=2 >/dev/null; }

have_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }

apt_install() { as_root apt-get install --yes --quiet=2 --no-install-recommends "$@" >/dev/null; }

# install required|wanted PACKAGE…: what is required stops us when it cannot be had, what is wanted is only named.
install() {
  local need=$1 missing
  shift
  mapfile -t missing < <(missing_of "$@")
  [ "${#missing[@]}" = 0 ] && return 0
  if as_root true; then
    printf 'setup: installing %s\n' "${missing[*]}" >&2
    # Lists that are missing or too old make the first attempt fail.
    apt_install "${missing[@]}" 2>/dev/null || { update_lists && apt_install "${missing[@]}"; } && return 0
  fi
  [ "$need" = wanted ] || fail "these packages are missing; run as root: apt-get install ${missing[*]}"
  printf 'setup: going on without packages; to have them, run as root: apt-get install %s\n' "${missing[*]}" >&2
}

system_packages() {
  if ! command -v apt-get >/dev/null; then
    printf 'setup: this is no Debian or Ubuntu; see docs/OPERATIONS.md for what must be installed\n' >&2
    return
  fi
  have_lists || update_lists || true
  local required=(git ca-certificates binutils libc6-dev libseccomp-dev libsqlite3-dev pkg-config python3 python3-venv)
  ls /usr/include/c++/*/vector >/dev/null 2>&1 || required+=("$(cxx_package)")
  install required "${required[@]}"
  # Chinese, Japanese and Korean in charts (Arabic is in matplotlib's own font); sandboxes of ordinary users with ids of their own.
  install wanted fonts-noto-cjk uidmap
}

toolchain_runs() { swift --version && swift build --version; } >/dev/null 2>&1

swift_toolchain() {
  local version cure="from https://www.swift.org/install/linux and run make again"
  command -v swift >/dev/null || fail "there is no swift on PATH; install Swift 6.2 or newer $cure"
  # Libraries the toolchain itself is linked with.
  toolchain_runs || install required libncurses6 libcurl4 libxml2 libsqlite3-0 libstdc++6 zlib1g
  toolchain_runs || fail "the Swift toolchain does not run: $(swift build --version 2>&1 | head --lines=1)"
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p')
  [ "$(printf '%s\n6.2\n' "$version" | sort --version-sort | head --lines=1)" = 6.2 ] ||
    fail "Swift $version is too old; install 6.2 or newer $cure"
}

# Sandboxes see /usr and nothing else of the host's programs, so the interpreter must be one from there.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" /usr/bin/python3 /usr/bin/python3.1{4,3,2,1}; do
    [ -n "$candidate" ] && [ -x "$candidate" ] || continue
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    echo "$candidate"
    return
  done
  fail "there is no Python 3.11 or newer in /usr/bin; install one with its venv module (apt-get install python3 python3-venv) and run make again"
}

# environment FOLDER REQUIREMENTS…: a virtual environment with exactly these packages, made again when they change.
environment() {
  local folder=$1 python stamp
  shift
  python=$(find_python)
  stamp=$({ "$python" -VV && cat "$@"; } | sha256sum)
  [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
  printf 'setup: making %s\n' "$folder" >&2
  rm -rf "$folder"
  "$python" -m venv "$folder" || fail "$python has no venv module; run as root: apt-get install python3-venv"
  "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check --prefer-binary ${@/#/--requirement } ||
    fail "the Python packages of $* could not be installed"
  printf '%s\n' "$stamp" >"$folder/.stamp"
}

# What a context can be written in. Python is always there; javascript and typescript are both Deno.
known_languages=(python bash javascript typescript r)
default_languages="python bash javascript"

# The languages asked for, else those of last time, else the default.
chosen_languages() {
  local language languages=${LANGUAGES:-}
  [ -n "$languages" ] || languages=$(cat .venv/.languages 2>/dev/null) || languages=$default_languages
  for language in $languages; do
    printf '%s\n' "${known_languages[@]}" | grep -qxF -- "$language" ||
      fail "there is no language $language; LANGUAGES can name: ${known_languages[*]}"
  done
  printf '%s\n' $languages | sort --unique | xargs
}

# packages FOLDER REQUIREMENTS: what one language needs of Python's packages.
packages() {
  local folder=$1 requirements=$2 stamp
  stamp=$folder/.$(basename "$requirements")
  cmp --silent "$requirements" "$stamp" && return 0
  printf 'setup: installing %s\n' "$(grep -v '^#' "$requirements" | xargs)" >&2
  "$folder/bin/python3" -m pip install --quiet --disable-pip-version-check --prefer-binary --requirement "$requirements" ||
    fail "the Python packages of $requirements could not be installed"
  cp "$requirements" "$stamp"
}

# languages FOLDER LANGUAGE…: the kernels of these languages and no others of ours.
languages() {
  local folder=$1 name kernels=() source target
  shift
  for name in "$@"; do
    case $name in
      bash)
        packages "$folder" Runtime/requirements-bash.txt
        kernels+=(bash)
        ;;
      javascript | typescript)
        packages "$folder" Runtime/requirements-javascript.txt
        kernels+=(javascript typescript)
        ;;
      r)
        command -v apt-get >/dev/null || [ -x /usr/bin/R ] || fail "R is installed with Debian's packages only"
        ! command -v apt-get >/dev/null || install required r-base-core r-cran-irkernel
        kernels+=(r)
        ;;
    esac
  done
  for source in Runtime/kernels/*/; do
    name=$(basename "$source")
    target=$folder/share/jupyter/kernels/$name
    if [[ " ${kernels[*]} " = *" $name "* ]]; then
      cmp --silent "$source/kernel.json" "$target/kernel.json" ||
        command install -D --mode=0644 "$source/kernel.json" "$target/kernel.json"
    else
      rm -rf "$target"
    fi
  done
  printf '%s\n' "$*" >"$folder/.languages"
}

if [ "${1:-}" = --development ]; then
  environment .venv-development Runtime/requirements-dev.txt
elif [ "${1:-}" = --images ]; then
  command -v apt-get >/dev/null || fail "install Docker Engine and debootstrap"
  command -v dockerd >/dev/null || install required docker.io
  install required debootstrap
else
  # Before anything is made again: a wrong word is told at once, and the list of last time is still there.
  chosen=$(chosen_languages)
  system_packages
  swift_toolchain
  environment .venv Runtime/requirements.txt
  # shellcheck disable=SC2086 # a list of words
  languages .venv $chosen
fi

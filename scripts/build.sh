#!/usr/bin/env bash
# Builds everything that belongs to an installation: the program, its launcher and the library sandboxes load.
#   build.sh release|debug
set -euo pipefail
cd "$(dirname "$0")/.."
configuration=${1:-release}
# A release carries the Swift library in itself: it runs on machines without a toolchain, and starts sooner.
[ "$configuration" = release ] && options=(--static-swift-stdlib) || options=()
for product in sandbox-launcher SandboxEntry code-interpreter; do
  # The linker warns of a function in the Swift library that nobody calls.
  swift build --quiet --configuration "$configuration" "${options[@]}" --product "$product" \
    2> >(grep --invert-match 'the use of `mktemp' >&2)
done

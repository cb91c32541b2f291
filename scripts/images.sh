#!/usr/bin/env bash
# Builds the images with whatever Docker is there (DOCKER_HOST counts) and tags them with the version and as latest:
#   code-interpreter-guest   what programs see when containers are the wall
#   code-interpreter         the server, and sandboxes inside its container
#   code-interpreter:slim    the server alone
#   code-interpreter:dind    the server and a Docker daemon of its own
# From the environment:
#   PREBUILT=1          take the programs from .build/release instead of compiling them in a container; PREBUILT=debug from .build/debug
#   PRELOAD=1           put the guest's image into code-interpreter:dind, for machines without a registry
#   LANGUAGES="…"       of contexts: python bash javascript typescript r
#   TARGETS="…"         guest server slim dind; all of them without it
#   CERTIFICATES=FILE   what the build trusts beyond the usual, for networks that look into TLS; it stays out of the images
#   BUILD_ARGUMENTS="…" more arguments of `docker build`, such as --network=host
set -euo pipefail
cd "$(dirname "$0")/.."

context=.build/images/context
programs=(code-interpreter sandbox-launcher libSandboxEntry.so)

fail() {
  printf 'images: %s\n' "$*" >&2
  exit 1
}

need_docker() {
  local answer
  command -v docker >/dev/null || fail "there is no docker client on PATH; install Docker Engine or Debian's docker.io"
  answer=$(docker version --format '{{.Server.Version}}' 2>&1) ||
    fail "no Docker daemon answers at ${DOCKER_HOST:-unix:///var/run/docker.sock}: $(tail --lines=1 <<<"$answer")"
}

# The programs, and the libraries of a toolchain that those of a debug build are linked with; they are looked for beside the program.
lay_out_programs() {
  local program folder=.build/release library
  rm -rf "$context/prebuilt"
  [ -n "${PREBUILT:-}" ] || return 0
  [ "$PREBUILT" = 1 ] || folder=.build/$PREBUILT
  mkdir -p "$context/prebuilt"
  for program in "${programs[@]}"; do
    [ -f "$folder/$program" ] || fail "there is no $folder/$program to take; run make build first"
    cp "$folder/$program" "$context/prebuilt/"
  done
  strip "$context/prebuilt/code-interpreter"
  for library in $(ldd "$folder/code-interpreter" | awk '$3 ~ "/lib/swift/linux/" { print $3 }'); do
    cp "$library" "$context/prebuilt/"
  done
}

lay_out_certificates() {
  rm -f "$context/certificates.crt"
  [ -z "${CERTIFICATES:-}" ] || cp "$CERTIFICATES" "$context/certificates.crt" || fail "CERTIFICATES cannot be read"
}

# As one file, which the daemon inside the image loads when it starts for the first time.
lay_out_guest() {
  rm -rf "$context/preload"
  [ "${PRELOAD:-}" = 1 ] || return 0
  mkdir -p "$context/preload"
  docker save "code-interpreter-guest:$version" "code-interpreter-guest:latest" | gzip -1 >"$context/preload/guest.tar"
}

# build TARGET NAME…
build() {
  local target=$1 name arguments=(--file deploy/docker/Dockerfile --target "$1")
  shift
  for name in "$@"; do arguments+=(--tag "$name"); done
  [ -z "${LANGUAGES:-}" ] || arguments+=(--build-arg "LANGUAGES=$LANGUAGES")
  # Nothing is compiled then, and no toolchain needed.
  [ -z "${PREBUILT:-}" ] || arguments+=(--build-arg SWIFT_IMAGE=debian:bookworm-slim)
  printf 'images: building %s\n' "$target" >&2
  # shellcheck disable=SC2086 # a list of words
  docker build "${arguments[@]}" ${BUILD_ARGUMENTS:-} . || fail "$target could not be built"
}

wanted() { [[ " ${TARGETS:-guest server slim dind} " = *" $1 "* ]]; }

version=$(sed -n 's/.*programVersion = "\(.*\)".*/\1/p' Sources/Settings/Version.swift)
need_docker
mkdir -p "$context"
lay_out_programs
lay_out_certificates
rm -rf "$context/preload"
if wanted guest; then build guest "code-interpreter-guest:$version" code-interpreter-guest:latest; fi
if wanted slim; then build slim "code-interpreter:$version-slim" code-interpreter:slim; fi
if wanted server; then build server "code-interpreter:$version" code-interpreter:latest; fi
if wanted dind; then
  lay_out_guest
  build dind "code-interpreter:$version-dind" code-interpreter:dind
  rm -rf "$context/preload"
fi
docker images --filter reference='code-interpreter*' --format 'images: {{.Repository}}:{{.Tag}} {{.Size}}' >&2

#!/usr/bin/env bash
# Makes the images that the Dockerfile starts from, for machines that reach a mirror of Debian and no registry of images:
#   debian:bookworm-slim   with debootstrap
#   swift:6.3-bookworm     from that and the toolchain of this machine; only with the word `swift` as argument
# To be run as root; DOCKER_HOST counts. DEBIAN_MIRROR names another mirror than debootstrap's own. What is made of Debian is kept in .build/images.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=.build/images
archive=$folder/debian-bookworm-slim.tar
swift_image=$(sed -n 's/^ARG SWIFT_IMAGE=//p' deploy/docker/Dockerfile)
debian_image=$(sed -n 's/^ARG DEBIAN_IMAGE=//p' deploy/docker/Dockerfile)

fail() {
  printf 'base-images: %s\n' "$*" >&2
  exit 1
}

exists() { docker image inspect "$1" >/dev/null 2>&1; }

debian() {
  local root
  exists "$debian_image" && return 0
  if [ ! -f $archive ]; then
    [ "$(id -u)" = 0 ] || fail "debootstrap takes root"
    command -v debootstrap >/dev/null || fail "there is no debootstrap; run scripts/setup.sh --images"
    mkdir -p $folder
    root=$(mktemp --directory)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf --one-file-system '$root'" EXIT
    debootstrap --variant=minbase bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >&2 || fail "debootstrap failed; see above"
    slim_down "$root"
    tar --create --one-file-system --numeric-owner --directory "$root" --file $archive.new .
    mv $archive.new $archive
  fi
  docker import --change 'CMD ["bash"]' $archive "$debian_image" >/dev/null
}

# As the image of that name has it: no documents, no translations, no packages, and security updates to come.
slim_down() {
  local root=$1 mirror
  # debootstrap has written down which one it took.
  mirror=$(sed -n 's/^deb \([^ ]*\) .*/\1/p' "$root/etc/apt/sources.list" | head --lines=1)
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log
  find "$root/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/*
  printf '%s\n' "path-exclude /usr/share/man/*" "path-exclude /usr/share/locale/*" "path-exclude /usr/share/doc/*" \
    "path-include /usr/share/doc/*/copyright" >"$root/etc/dpkg/dpkg.cfg.d/slim"
  printf '%s\n' "deb $mirror bookworm main" "deb $mirror bookworm-updates main" \
    "deb ${mirror%/debian}/debian-security bookworm-security main" >"$root/etc/apt/sources.list"
}

# Copies repositories that git is configured to take from folders of this machine, and that configuration.
local_repositories() {
  local root=$1 key place
  git config --system --get-regexp '^url\..*\.insteadof$' 2>/dev/null | while read -r key _; do
    place=${key#url.}
    place=${place%.insteadof}
    [[ $place = /* && -d $place && ! -d $root$place ]] || continue
    mkdir -p "$root$place"
    cp --archive "$place/." "$root$place"
    printf '[safe]\n\tdirectory = *\n' | cat /etc/gitconfig - >"$root/etc/gitconfig"
  done
}

# The toolchain where the image of that name has it, below /usr, and what it needs.
swift() {
  local toolchain stage
  exists "$swift_image" && return 0
  toolchain=$(readlink --canonicalize "$(command -v swiftc)") || fail "there is no swift on PATH"
  toolchain=${toolchain%/usr/bin/*}
  [ -n "$toolchain" ] && [ -x "$toolchain/usr/bin/swiftc" ] || fail "the toolchain has no folder of its own"
  stage=$(mktemp --directory)
  # shellcheck disable=SC2064 # the folder of this moment
  trap "rm -rf '$stage'" EXIT
  mkdir -p "$stage/root/etc"
  local_repositories "$stage/root"
  cat >"$stage/Dockerfile" <<END
FROM $debian_image
RUN apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
    binutils ca-certificates git libc6-dev libcurl4 libedit2 libgcc-12-dev libncurses6 libpython3.11 libsqlite3-0 \
    libstdc++-12-dev libxml2 libz3-4 pkg-config tzdata zlib1g-dev && rm -rf /var/lib/apt/lists/*
COPY usr /usr
COPY root /
END
  tar --create --directory "$toolchain" usr --directory "$stage" Dockerfile root |
    docker build --network=host --tag "$swift_image" - >&2 || fail "$swift_image could not be made"
}

debian
if [ "${1:-}" = swift ]; then swift; fi

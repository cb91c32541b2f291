#!/bin/bash
# What the images of code-interpreter start. Three ways to run, told apart by what is there:
#   native                EXECUTOR_BACKEND=native: sandboxes inside this container
#   Docker out of Docker  EXECUTOR_BACKEND=docker, and a daemon's socket was mounted or DOCKER_HOST is set
#   Docker in Docker      EXECUTOR_BACKEND=docker in the image `dind` without either: a daemon is started here
# Arguments are the program's: `serve` (the default), `doctor`, `run script.py`.
set -euo pipefail

program=/opt/code-interpreter/bin/code-interpreter
socket=/var/run/docker.sock
preloaded=/opt/code-interpreter/guest.tar
storage=${FILE_STORAGE_DIR:-/var/lib/code-interpreter}
# How long a daemon may take to answer.
daemon_seconds=60

say() { printf 'entrypoint: %s\n' "$*" >&2; }

fail() {
  say "$@"
  exit 1
}

# Container engines mount the control groups read-only. Made writable, they show no more than this container's own, so that
# sandboxes get their limits below those of the container. It takes CAP_SYS_ADMIN; without it the server says what is missing.
open_control_groups() {
  local mount
  while read -r _ mount _; do
    mount -o remount,rw,bind "$mount" 2>/dev/null || return 0
  done < <(grep -E '^\S+ /sys/fs/cgroup\S* cgroup2? \S*\bro\b' /proc/mounts)
}

# The socket's group is what lets the server use it once it has given up root. Group root cannot be kept that way, so root is
# given up here then.
share_socket() {
  local group
  [ "$(id --user)" = 0 ] || return 0
  group=$(stat --dereference --format=%g "$1")
  if [ "$group" != 0 ]; then
    export RUN_AS_USER=${RUN_AS_USER:-$(id --user code-interpreter):$group}
  else
    mkdir -p "$storage"
    chown code-interpreter:0 "$storage"
    export FILE_STORAGE_DIR=$storage
    exec setpriv --reuid=code-interpreter --regid=0 --clear-groups --no-new-privs "$program" "${arguments[@]}"
  fi
}

# Version 2 gives controllers to children only where no process is; the containers started here are such children.
make_room_for_containers() {
  local groups=/sys/fs/cgroup
  [ -f $groups/cgroup.controllers ] || return 0
  mkdir -p $groups/entrypoint
  xargs --max-args=1 < $groups/cgroup.procs > $groups/entrypoint/cgroup.procs 2>/dev/null || true
  sed 's/ / +/g; s/^/+/' < $groups/cgroup.controllers > $groups/cgroup.subtree_control
}

await_daemon() {
  local deadline=$((SECONDS + daemon_seconds))
  until docker --host "unix://$socket" version >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || fail "the Docker daemon ended; its last words are above"
    [ $SECONDS -lt $deadline ] || fail "the Docker daemon did not answer within $daemon_seconds s"
    sleep 0.2
  done
}

# The guest's image from a file (as `docker save` writes it) that this image was built with or that was mounted there, unless the
# daemon has got it from there before.
load_guest() {
  [ -f $preloaded ] || return 0
  local mark stamp=/var/lib/docker/code-interpreter-guest
  mark=$(stat --dereference --format='%s %Y' $preloaded)
  [ "$mark" != "$(cat $stamp 2>/dev/null)" ] || return 0
  say "loading the image of the guest"
  docker --host "unix://$socket" load --quiet --input $preloaded >&2 || fail "$preloaded cannot be loaded"
  printf '%s\n' "$mark" > $stamp
}

# Waits for a process to end, however often a signal interrupts that, and gives its status.
await_end() {
  local status
  while true; do
    status=0
    wait "$1" || status=$?
    kill -0 "$1" 2>/dev/null || return $status
  done
}

stop_daemon() {
  kill -TERM "$daemon" 2>/dev/null || return 0
  await_end "$daemon" || true
}

# Starts a daemon and the server; each ends with the other.
with_own_daemon() {
  local server status=0
  [ "$(id --user)" = 0 ] || fail "a Docker daemon in this container takes root and --privileged"
  make_room_for_containers 2>/dev/null || fail "the control groups cannot be used: start this container with --privileged"
  rm -f $socket /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  # In a session of its own: what a terminal interrupts is the server, and the daemon is needed until that has ended.
  # shellcheck disable=SC2086 # a list of words
  setsid dockerd --host "unix://$socket" --group code-interpreter --data-root /var/lib/docker \
    ${DOCKERD_ARGS---bridge=none --iptables=false} &
  daemon=$!
  trap 'kill -TERM $daemon 2>/dev/null; exit 143' TERM INT
  await_daemon
  load_guest
  export RUN_AS_USER=${RUN_AS_USER:-code-interpreter}
  "$program" "${arguments[@]}" &
  server=$!
  # Every signal is passed on: a second one tells the server to hurry.
  trap 'kill -TERM $server 2>/dev/null || true' TERM
  trap 'kill -INT $server 2>/dev/null || true' INT
  while kill -0 $server 2>/dev/null && kill -0 $daemon 2>/dev/null; do
    wait -n $server $daemon || true
  done
  if kill -0 $server 2>/dev/null; then
    say "the Docker daemon ended; the server ends with it"
    kill -TERM $server
    await_end $server || true
    exit 1
  fi
  wait $server || status=$?
  stop_daemon
  exit $status
}

arguments=("$@")
[ $# -gt 0 ] || arguments=(serve)

case ${CODE_INTERPRETER_EXECUTOR_BACKEND:-${EXECUTOR_BACKEND:-native}} in
  docker)
    host=${DOCKER_HOST:-unix://$socket}
    # Only the server needs a daemon.
    if [ "${arguments[0]}" != serve ]; then
      :
    elif [ -S "${host#unix://}" ]; then
      share_socket "${host#unix://}"
    elif [ -z "${DOCKER_HOST:-}" ] && command -v dockerd >/dev/null; then
      with_own_daemon
    elif [ -z "${DOCKER_HOST:-}" ]; then
      fail "there is no $socket: mount it with -v /var/run/docker.sock:/var/run/docker.sock, or set DOCKER_HOST"
    fi
    ;;
  native) open_control_groups ;;
esac
exec "$program" "${arguments[@]}"

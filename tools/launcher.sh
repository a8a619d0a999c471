#!/bin/sh
# Starts vfio-watch with a Node that can run it: its own one where the package brought it, else the system's.
# "vfio-watch --which-node" prints the one it takes. Exit code 5: there is none.
set -u
here=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")

recent_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#v}
  major=${version%%.*}
  minor=${version#*.}
  minor=${minor%%.*}
  case "$major$minor" in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -gt 22 ] || { [ "$major" -eq 22 ] && [ "$minor" -ge 18 ]; }
}

node=
# VFIO_WATCH_NODE is for whoever keeps Node in another place.
for candidate in "${VFIO_WATCH_NODE:-}" "$here/node/bin/node" /usr/local/bin/node /usr/bin/node \
  "$(command -v node 2>/dev/null)"; do
  if [ -n "$candidate" ] && [ -x "$candidate" ] && recent_enough "$candidate"; then
    node=$candidate
    break
  fi
done
if [ -z "$node" ]; then
  echo "vfio-watch: there is no Node 22.18 or newer in $here/node, /usr/local/bin, /usr/bin or the PATH." \
    "Install Node 22.18 or newer, or vfio-watch's own Node package." >&2
  exit 5
fi
unset VFIO_WATCH_NODE
if [ "${1:-}" = --which-node ]; then
  echo "$node"
  exit 0
fi
# One arena is enough for a program that does its work in one thread, and saves two megabytes.
[ "${1:-}" != run ] || export MALLOC_ARENA_MAX=1
exec "$node" "$here/vfio-watch.mjs" "$@"

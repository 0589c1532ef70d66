#!/usr/bin/env bash
# Proves the image without a container engine: replays the Dockerfile in a Debian 13 root made by
# debootstrap, with Node 24 and the current uWebSockets.js binary, then checks and runs the result.
# usage: verify.sh [--suite] [--twice]   (as root, on Linux)
#   --suite  also runs the whole test suite inside such a root
#   --twice  builds twice and compares the contents
# Exit code 75: this machine cannot (no root, no debootstrap, no mount namespaces).
set -euo pipefail
cd "$(dirname "$0")/../.."
export IMAGE_CACHE=${IMAGE_CACHE:-${TMPDIR:-/tmp}/sluice-image}
cannot() { echo "image verification skipped: $1" >&2; exit 75; }
[ "$(id -u)" = 0 ] || cannot "it needs root for chroot"
command -v debootstrap >/dev/null || cannot "debootstrap is not installed"
unshare --mount --pid --fork true 2>/dev/null || cannot "mount namespaces are not allowed here"

base=$IMAGE_CACHE/base
out=$IMAGE_CACHE/out
tsx="node --import tsx"
deploy/image/base.sh "$base"
echo "base: Debian $(cat "$base/etc/debian_version"), Node $(chroot "$base" node --version)"
build() { $tsx deploy/image/replay.ts "node:24-trixie-slim=$base" "$PWD" "$1"; }
build "$out"
for option in "$@"; do
  if [ "$option" = --twice ]; then
    build "$out-again" >/dev/null
    export IMAGE_AGAIN=$out-again/image.json
  fi
done
IMAGE_OUT=$out $tsx --test --test-timeout=120000 deploy/image/checks.ts
for option in "$@"; do
  if [ "$option" = --suite ]; then deploy/image/suite.sh "$base" "$IMAGE_CACHE/suite"; fi
done

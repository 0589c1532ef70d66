#!/usr/bin/env bash
# Runs the tests for which the binary matters (test/binary.ts) in a copy of a Debian 13 root, where
# the current uWebSockets.js binary loads, with Debian's own Prometheus, Redis and HAProxy. Functions
# in Python and Go are left out: they reach the gateway by HTTP alone.
# usage: suite.sh <base root> <new root>   (as root)
set -euo pipefail
cd "$(dirname "$0")/../.."
base=$1 root=$2
rm -rf "$root"
cp -a --reflink=auto "$base" "$root"
mkdir -p "$root/work" "$root/lent/npm" "${IMAGE_CACHE:?}/npm"
tar --exclude=./node_modules --exclude=./dist --exclude=./.git -cf - . | tar -C "$root/work" -xf -
# The host's trust store and package cache are lent, so that a registry behind a private authority is reached.
trust=
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp -L "$NODE_EXTRA_CA_CERTS" "$root/lent/ca.crt"
  trust=NODE_EXTRA_CA_CERTS=/lent/ca.crt
fi
# What a container engine writes.
printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
# Packages must not start services in here.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

inside='
  set -e
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends prometheus prometheus-alertmanager redis-server redis-sentinel haproxy nginx-light \
    ca-certificates curl procps >/tmp/apt.log 2>&1 || { tail /tmp/apt.log; exit 1; }
  cd /work
  npm ci --silent
  npm run test:binary
'
unshare --mount --pid --fork sh -ec '
  root=$1
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  touch "$root/etc/resolv.conf"
  mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
  mount --bind "$2" "$root/lent/npm"
  shift 2
  exec chroot "$root" env -i "$@"
' suite "$root" "$IMAGE_CACHE/npm" \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI=true \
  npm_config_cache=/lent/npm TOOLS_LEFT_OUT=python3,go,chromium \
  ${trust:+"$trust"} sh -c "$inside"

#!/usr/bin/env bash
# Makes a root directory that stands for the image node:24-trixie-slim: Debian 13 by debootstrap,
# Node 24 and its npm from the npm registry, the user `node`.
# usage: base.sh <root>   (as root; an existing finished root is kept)
set -euo pipefail
root=$1
[ -e "$root/.finished" ] && exit 0
case "$(uname -m)" in
  x86_64) cpu=x64 ;;
  aarch64) cpu=arm64 ;;
  *) echo "no Node package is known for $(uname -m)" >&2; exit 1 ;;
esac
rm -rf "$root"
mkdir -p "$root"
log=$(mktemp)
trap 'rm -rf "$log" "${packages:-}"' EXIT
debootstrap --variant=minbase --include=libstdc++6 trixie "$root" >"$log" 2>&1 ||
  { tail -20 "$log" >&2; exit 1; }
packages=$(mktemp -d)
npm install --prefix "$packages" --no-save --ignore-scripts "node-linux-$cpu@24" npm@11 \
  >"$log" 2>&1 || { tail -20 "$log" >&2; exit 1; }
cp "$packages/node_modules/node-linux-$cpu/bin/node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -a "$packages/node_modules/npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
chroot "$root" useradd --uid 1000 --user-group --create-home --shell /bin/bash node
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/etc/resolv.conf
touch "$root/.finished"

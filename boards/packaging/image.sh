#!/bin/sh
# Makes an OCI image for several processors from the static binaries in DIST:
#
#   boards/packaging/image.sh CRANE DIST VERSION
#
# It writes DIST/runnel-VERSION-image.tar, an OCI layout that podman and docker can load. The image contains the binary, the
# certificate authorities of this machine, and the directories that the router writes to. It runs as user 65532. crane can
# edit images only in a registry, so the script runs a registry on loopback.
set -eu
crane=$1 dist=$2 version=$3

authorities=/etc/ssl/certs/ca-certificates.crt
[ -r "$authorities" ] || { echo "image: $authorities is missing; install ca-certificates" >&2; exit 1; }
work=$(mktemp -d)
"$crane" registry serve --address 127.0.0.1:0 >"$work/log" 2>&1 &
registry=$!
trap 'kill $registry; rm -rf "$work"' EXIT
port=
for _ in $(seq 100); do
  port=$(sed -n 's/.*serving on port \([0-9]*\).*/\1/p' "$work/log")
  [ -z "$port" ] || break
  sleep 0.1
done
[ -n "$port" ] || { cat "$work/log" >&2; exit 1; }
# quiet runs crane and shows its output only if it fails.
quiet() { "$crane" "$@" >"$work/out" 2>&1 || { cat "$work/out" >&2; exit 1; }; }

image=127.0.0.1:$port/runnel

root=$work/root
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/runnel/conf.d" "$root/etc/runnel/profiles.d" "$root/var/lib/runnel" "$root/run/runnel" "$root/tmp"
cp "$authorities" "$root/etc/ssl/certs/"
echo 'runnel:x:65532:65532:Runnel WAMP router:/var/lib/runnel:/' >"$root/etc/passwd"
echo 'runnel:x:65532:' >"$root/etc/group"
chmod 755 "$root" "$root/run/runnel" "$root/var/lib/runnel" && chmod 1777 "$root/tmp"

set --
for target in arm6:arm/v6 arm7:arm/v7 arm64:arm64/v8 amd64:amd64; do
  binary=${target%%:*} platform=linux/${target#*:}
  install -m 755 "$dist/runnel-linux-$binary" "$root/usr/bin/runnel"
  tar -C "$root" --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 --exclude=./var/lib/runnel --exclude=./run/runnel \
    -cf "$work/layer.tar" .
  tar -C "$root" --sort=name --mtime=@0 --numeric-owner --owner=65532 --group=65532 \
    -rf "$work/layer.tar" ./var/lib/runnel ./run/runnel
  quiet append --oci-empty-base -f "$work/layer.tar" -t "$image:$binary"
  quiet mutate "$image:$binary" -t "$image:$binary" --set-platform "$platform" --user 65532:65532 --workdir /var/lib/runnel \
    --entrypoint /usr/bin/runnel --cmd run --exposed-ports 8080/tcp \
    --label org.opencontainers.image.title=runnel --label "org.opencontainers.image.version=$version" \
    --label org.opencontainers.image.licenses=Apache-2.0
  set -- "$@" -m "$image:$binary"
done
quiet index append "$@" -t "$image:all"
quiet pull --format=oci "$image:all" "$work/layout"
tar -C "$work/layout" --sort=name --mtime=@0 --owner=0 --group=0 -cf "$dist/runnel-$version-image.tar" .
echo "$dist/runnel-$version-image.tar"

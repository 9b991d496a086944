#!/bin/sh
# EAL starts as a user without any privilege and without hugepages.
set -eu
program=$1
if [ "$(id -u)" -ne 0 ]; then
  exec "$program"  # an ordinary user already
fi
if ! command -v setpriv >/dev/null; then
  echo "skipped: needs setpriv to give privileges up"
  exit 77
fi
# The build folder may lie where that user cannot look.
copy=$(mktemp -d /tmp/pollmark-eal.XXXXXX)
trap 'rm -rf "$copy"' EXIT
chmod 755 "$copy"
cp "$program" "$copy/program"
chmod 755 "$copy/program"
setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all \
  --no-new-privs "$copy/program"

#!/bin/sh
# Installs the npm packages of package-lock.json, and does nothing when that very lock file is installed already.
set -eu
cd "$(dirname "$0")/.."
# A linked node_modules belongs to another checkout, which keeps it.
[ -L node_modules ] && exit 0
want=$(sha256sum package-lock.json | cut -d ' ' -f 1)
[ "$(cat node_modules/.installed 2>/dev/null || true)" = "$want" ] && exit 0
command -v npm >/dev/null 2>&1 || {
  echo "npm is missing. Install Node 20 or newer with npm (Debian: apt-get install nodejs npm), then try again." >&2
  exit 1
}
# Node 26 needs libatomic, which a minimal system may lack.
if ! ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1' && ! /sbin/ldconfig -p 2>/dev/null | grep -q 'libatomic\.so\.1'; then
  lib=$PWD/.cache/lib
  if [ ! -e "$lib/libatomic.so.1" ]; then
    echo "Fetching libatomic, which Node 26 needs and this system lacks ..."
    deploy/unpack-packages.sh "$PWD/.cache/libatomic" libatomic1
    mkdir -p "$lib"
    cp -L "$(find .cache/libatomic -name libatomic.so.1 | head -n 1)" "$lib/"
    rm -rf .cache/libatomic
  fi
  export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
echo "Installing npm packages (420 MB unpacked, Node 26 among them: 211 MB) ..."
npm ci --loglevel=error
echo "$want" >node_modules/.installed

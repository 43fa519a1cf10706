# Sourced by the launchers beside it, which set $here first. Sets $root and $node (the pinned Node), and a compile cache
# that spares the 300 to 600 ms which stripping types costs at each start (docs/decisions/0005-run-typescript-as-is.md).
root=$(dirname "$here")
node=$root/node_modules/node/bin/node
if [ ! -x "$node" ]; then
  echo "The npm packages are missing: run 'make deps' in $root first." >&2
  exit 1
fi
# deploy/deps.sh put it there where the system lacks it.
if [ -e "$root/.cache/lib/libatomic.so.1" ]; then
  export LD_LIBRARY_PATH="$root/.cache/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
if [ -z "${NODE_COMPILE_CACHE:-}" ]; then
  if [ -w "$root" ]; then NODE_COMPILE_CACHE=$root/.cache/compile; else NODE_COMPILE_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cumulet/compile; fi
  export NODE_COMPILE_CACHE
fi

#!/bin/sh
# Regenerates services/gen from proto/: TypeScript types by proto-loader's generator. `make proto` calls it; a test fails
# when what is committed differs from what this writes.
set -eu
cd "$(dirname "$0")/.."
out=${1:-services/gen/types}
rm -rf "$out"
mkdir -p "$out"
files=$(cd proto && find . -name '*.proto' | LC_ALL=C sort | sed 's|^\./||')
# shellcheck disable=SC2086
bin/node node_modules/.bin/proto-loader-gen-types \
  --longs=Number --enums=String --defaults --oneofs --bytes=Buffer \
  --grpcLib=@grpc/grpc-js --importFileExtension=.ts -I proto --outDir="$out" $files >/dev/null
# A file without a service gets a loader that nothing needs, and that the type checker refuses for what it leaves unused.
for loader in "$out"/*.ts; do
  grep -q ServiceDefinition "$loader" || rm "$loader"
done

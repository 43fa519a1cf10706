#!/bin/sh
# unpack-packages.sh DIR PACKAGE...: unpacks Debian packages and what they need, as far as this system lacks it, below DIR.
# Needs no root: nothing is installed, apt's own lists and cache lie below DIR while it runs.
set -eu
into=$1
shift
command -v apt-get >/dev/null 2>&1 || {
  echo "Missing: $* (names of Debian packages). Install them by this system's own means." >&2
  exit 1
}
mkdir -p "$into/apt/lists/partial" "$into/apt/cache/archives/partial" "$into/apt/debs"
apt="apt-get -q -oDir::State::lists=$into/apt/lists -oDir::Cache=$into/apt/cache -oDebug::NoLocking=1 -oAPT::Sandbox::User="
log=$into/apt.log
{
  # shellcheck disable=SC2086
  $apt update && packages=$($apt -s --no-install-recommends install "$@" | awk '$1 == "Inst" { print $2 }') &&
    (cd "$into/apt/debs" && $apt download $packages)
} >"$log" 2>&1 || {
  tail -5 "$log" >&2
  echo "Could not fetch the Debian packages: $*. The whole log: $log" >&2
  exit 1
}
for archive in "$into"/apt/debs/*.deb; do dpkg-deb -x "$archive" "$into"; done
rm -rf "$into/apt" "$log"

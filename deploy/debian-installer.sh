#!/bin/sh
# debian-installer.sh: brings Debian trixie's riscv64 installer, `linux` and `initrd.gz`, which nobody here built, and
# prints the folder that holds them. Fetched once, into .cache/ (52 MB), with apt's lists and cache in a folder of its own.
set -eu
cd "$(dirname "$0")/.."
into=$PWD/.cache/debian-installer
package=debian-installer-13-netboot-riscv64
if [ ! -e "$into/linux" ] || [ ! -e "$into/initrd.gz" ]; then
  work=$into/apt
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/deb" "$work/sources.d"
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -n 1)}
  [ -n "$mirror" ] || {
    echo "There is no Debian mirror in apt's sources: set DEBIAN_MIRROR." >&2
    exit 1
  }
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$key] $mirror trixie main" >"$work/sources.list"
  apt="apt-get -q -oDir::State::lists=$work/lists -oDir::Cache=$work/cache -oDir::Etc::sourcelist=$work/sources.list
    -oDir::Etc::sourceparts=$work/sources.d -oDebug::NoLocking=1 -oAPT::Sandbox::User= -oAcquire::Languages=none"
  {
    # shellcheck disable=SC2086
    $apt update && (cd "$work/deb" && $apt download "$package")
  } >"$into/fetch.log" 2>&1 || {
    tail -5 "$into/fetch.log" >&2
    echo "Could not fetch the Debian package $package. The whole log: $into/fetch.log" >&2
    exit 1
  }
  dpkg-deb -x "$work"/deb/*.deb "$work/tree"
  for file in linux initrd.gz; do
    found=$(find "$work/tree" -type f -name "$file" -path '*riscv64*' | grep -v gtk | head -1)
    mv "$found" "$into/$file"
  done
  rm -rf "$work" "$into/fetch.log"
fi
echo "$into"

#!/bin/sh
# Brings the programs that the tests measure us against: etcd, nats-server, QEMU, the stock OpenStack client ...
# Prints what it does on stderr, and on stdout the lines of shell that put the programs on the PATH:
#     eval "$(deploy/tools.sh)"
# As root it installs Debian's packages. As an ordinary user it unpacks the same packages below .cache/tools.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/.cache/tools

# program and the Debian package that brings it
wanted='
etcd etcd-server
nats-server nats-server
qemu-system-riscv64 qemu-system-misc
qemu-img qemu-utils
openstack python3-openstackclient
isoinfo genisoimage
ssh-keygen openssh-client
'

# Debian's etcd and some others lie in sbin folders for root alone.
PATH=$root/usr/bin:$root/bin:$PATH:/usr/sbin:/sbin
missing=$(echo "$wanted" | while read -r program package; do
  [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 || echo "$package"
done | sort -u | tr '\n' ' ')

# Packages whose programs start with a library path of their own when they are unpacked rather than installed.
environment() {
  [ -d "$root/usr" ] || return 0
  libraries=$root/usr/lib/$(uname -m)-linux-gnu
  echo "export PATH='$root/usr/bin:$root/bin':\"\$PATH\""
  echo "export LD_LIBRARY_PATH='$libraries:$libraries/pulseaudio:$root/lib/$(uname -m)-linux-gnu'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
  echo "export PYTHONPATH='$root/usr/lib/python3/dist-packages'\${PYTHONPATH:+:\$PYTHONPATH}"
}

if [ -n "$missing" ]; then
  command -v apt-get >/dev/null 2>&1 || {
    echo "The tests need: $missing(names of Debian packages). Install them by this system's own means." >&2
    exit 1
  }
  echo "Installing for the tests: $missing" >&2
  if [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing >&2 || {
      apt-get update -q >&2
      apt-get install -y -q --no-install-recommends $missing >&2
    }
  else
    mkdir -p "$root/archives/partial" "$root/lists/partial"
    options="-q -oDir::State::lists=$root/lists -oDir::Cache=$root/cache -oDebug::NoLocking=1 -oAPT::Sandbox::User="
    mkdir -p "$root/cache/archives/partial"
    # shellcheck disable=SC2086
    apt-get $options update >&2
    # shellcheck disable=SC2086
    packages=$(apt-get $options -s --no-install-recommends install $missing | awk '$1 == "Inst" { print $2 }')
    # shellcheck disable=SC2086
    (cd "$root/archives" && apt-get $options download $packages >&2)
    for archive in "$root"/archives/*.deb; do dpkg-deb -x "$archive" "$root"; done
    rm -rf "$root/archives" "$root/lists" "$root/cache"
  fi
fi
environment
echo "export PATH=\"\$PATH\":/usr/sbin:/sbin"

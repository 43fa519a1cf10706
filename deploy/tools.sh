#!/bin/sh
# Brings the programs that the tests measure us against: etcd, nats-server, QEMU, the stock OpenStack client ...
# Prints what it does on stderr, and on stdout the lines of shell that put the programs on the PATH:
#     eval "$(deploy/tools.sh)"
# As root it installs Debian's packages. As an ordinary user it unpacks the same packages below .cache/tools.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/.cache/tools

# program, or a file that is none, and the Debian package that brings it
wanted='
etcd etcd-server
nats-server nats-server
qemu-system-riscv64 qemu-system-misc
qemu-img qemu-utils
openstack python3-openstackclient
isoinfo genisoimage
gdb-multiarch gdb-multiarch
mke2fs e2fsprogs
/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin opensbi
/usr/lib/u-boot/qemu-riscv64/u-boot.bin u-boot-qemu
ssh-keygen openssh-client
gvnccapture gvncviewer
chromium-headless-shell chromium-headless-shell
'
# What root alone can use: network namespaces.
[ "$(id -u)" != 0 ] || wanted="$wanted
ip iproute2"

# Debian's etcd and some others lie in sbin folders for root alone.
PATH=$root/bin:$root/usr/bin:$root/usr/sbin:$PATH:/usr/sbin:/sbin
missing=$(echo "$wanted" | while read -r program package; do
  [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 || [ -e "$program" ] || [ -e "$root$program" ] ||
    echo "$package"
done | sort -u | tr '\n' ' ')

# What is unpacked rather than installed needs to be told where its parts lie.
environment() {
  [ -d "$root/usr" ] || return 0
  libraries=$root/usr/lib/$(uname -m)-linux-gnu
  echo "export PATH='$root/bin:$root/usr/bin:$root/usr/sbin':\"\$PATH\""
  echo "export LD_LIBRARY_PATH='$libraries:$root/lib/$(uname -m)-linux-gnu'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
  echo "export PYTHONPATH='$root/usr/lib/python3/dist-packages'\${PYTHONPATH:+:\$PYTHONPATH}"
}

if [ -n "$missing" ]; then
  echo "Installing for the tests: $missing" >&2
  if [ "$(id -u)" = 0 ]; then
    export DEBIAN_FRONTEND=noninteractive
    command -v apt-get >/dev/null 2>&1 || {
      echo "Missing: $missing(names of Debian packages). Install them by this system's own means." >&2
      exit 1
    }
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing >&2 || {
      apt-get update -q >&2
      apt-get install -y -q --no-install-recommends $missing >&2
    }
  else
    deploy/unpack-packages.sh "$root" $missing
    # Its first line names /usr/bin/python3, which may be missing.
    if [ -f "$root/usr/bin/openstack" ]; then
      mkdir -p "$root/bin"
      printf '#!/bin/sh\nexec python3 "%s" "$@"\n' "$root/usr/bin/openstack" >"$root/bin/openstack"
      chmod +x "$root/bin/openstack"
    fi
  fi
fi
environment
echo "export PATH=\"\$PATH\":/usr/sbin:/sbin"

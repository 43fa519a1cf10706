#!/bin/sh
# Builds Debian 13 (trixie) for riscv64, for tests that want a real distribution: systemd, cloud-init, OpenSSH, a compiler,
# and Debian's own kernel with the initial ramdisk that Debian's generator makes. Not committed: built on demand into the cache.
#   build.sh                       prints the folder that then holds kernel, initrd, disk.qcow2 and PACKAGES.tsv
#   build.sh --small               the same of a small one (small.list), without cloud-init
#   build.sh [--small] --cached    prints the folder if it was built before, else ends with 3
# Debian packages: e2fsprogs qemu-utils, and qemu-user-static (root, Linux 6.7 or later: minutes) or fakeroot
# qemu-system-misc (anybody, slower). apt chooses and checks the packages, which are unpacked here; they are configured
# (stage2) by riscv64 programs in a namespace of this machine, or by a riscv64 machine, QEMU's, on the tiny image's kernel.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
cache=${CUMULET_IMAGE_CACHE:-$top/.cache/images}/debian
small=
lists="$here/small.list $here/packages.list"
if [ "${1:-}" = --small ]; then
  small=$1
  lists=$here/small.list
  shift
fi
wanted=$(grep -hv '^#' $lists)
key=$( (cat "$here/build.sh" "$here/stage2" "$here/no-hardware"; echo "$wanted") | sha256sum | cut -c 1-12)
out=$cache/$key
export LC_ALL=C
umask 022

if [ -e "$out/complete" ]; then
  echo "$out"
  exit 0
fi
[ "${1:-}" != --cached ] || exit 3

# The tree has files of many owners. Without root, fakeroot remembers them for mke2fs.
if [ "$(id -u)" != 0 ] && [ -z "${FAKEROOTKEY:-}" ]; then
  command -v fakeroot >/dev/null || { echo "build.sh: fakeroot is missing: apt-get install fakeroot" >&2; exit 1; }
  exec fakeroot "$0" $small "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
need() { command -v "$1" >/dev/null || { echo "build.sh: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need dpkg-deb dpkg
need mke2fs e2fsprogs
need qemu-img qemu-utils

say() { echo "build.sh: $*" >&2; }
# One build at a time; whoever waited may find it done.
mkdir -p "$cache"
exec 9> "$cache/lock"
flock 9
if [ -e "$out/complete" ]; then
  echo "$out"
  exit 0
fi
work=$cache/$key.work
rm -rf "$work"
mkdir -p "$work" "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/apt/state"
inner=
trap '[ -z "$inner" ] || kill -9 $inner 2> /dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# --- stage 1: packages, chosen by apt and unpacked here -----------------------------------------------------------------

mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -n 1)}
[ -n "$mirror" ] || { say "no Debian mirror in apt's sources: set DEBIAN_MIRROR"; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
: > "$cache/apt/state/status"
echo "deb [arch=riscv64 signed-by=$keyring] $mirror trixie main" > "$cache/apt/sources.list"
apt_() {
  apt-get -qq -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 -oDir::Etc::sourcelist="$cache/apt/sources.list" \
    -oDir::Etc::sourceparts=- -oDir::State::lists="$cache/apt/lists" -oDir::State::status="$cache/apt/state/status" \
    -oDir::Cache="$cache/apt/cache" -oAcquire::Languages=none -oAPT::Sandbox::User= "$@"
}
files() { # <packages>: the file names of their closure
  apt_ -s --no-install-recommends install "$@" |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9]*\)\]).*/\1_\2_\3.deb/p' | sed 's/:/%3a/' | sort
}
apt_ update
base="?essential ?priority(required) apt"
files $base > "$work/base"
files $base $wanted > "$work/all"
[ -s "$work/base" ] || { say "apt finds no way to install the packages"; exit 1; }
say "fetching and unpacking $(wc -l < "$work/all") packages"
apt_ -y --no-install-recommends --download-only install $base $wanted > "$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; exit 1; }

debs=$cache/apt/cache/archives
root=$work/root
mkdir -p "$root/debs/base" "$root/debs/more"
# base-files first: it has the links of the merged /usr.
for deb in "$debs"/base-files_*.deb $(sed "s|^|$debs/|" "$work/base"); do
  dpkg-deb --fsys-tarfile "$deb" | tar -xp --numeric-owner --keep-directory-symlink -C "$root"
done

# The packages as dpkg is to install them, not compressed: unpacking costs an emulated machine most.
member() { # <name> <file>: one member of an ar archive
  printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$1" 0 0 0 100644 "$(stat -c %s "$2")"
  cat "$2"
}
printf '2.0\n' > "$work/debian-binary"
while read -r file; do
  folder=more
  ! grep -qxF "$file" "$work/base" || folder=base
  dpkg-deb --ctrl-tarfile "$debs/$file" > "$work/control.tar"
  dpkg-deb --fsys-tarfile "$debs/$file" > "$work/data.tar"
  {
    printf '!<arch>\n'
    member debian-binary "$work/debian-binary"
    member control.tar "$work/control.tar"
    member data.tar "$work/data.tar"
  } > "$root/debs/$folder/$file"
done < "$work/all"
rm "$work/control.tar" "$work/data.tar"

mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/apt/sources.list.d"
# dpkg waits for the disk after each file, which a disk that is thrown away on failure does not need. And the configuration of `locales` looks for each locale of a list, for minutes: stage2 brings that list back.
printf 'force-unsafe-io\npath-exclude=/usr/share/i18n/SUPPORTED\n' > "$root/etc/dpkg/dpkg.cfg.d/stage2"
cp "$here/no-hardware" "$root/etc/dpkg/dpkg.cfg.d/no-hardware"
printf 'Types: deb\nURIs: %s\nSuites: trixie trixie-updates\nComponents: main\nSigned-By: %s\n' "$mirror" "$keyring" \
  > "$root/etc/apt/sources.list.d/debian.sources"
cp "$here/stage2" "$root/stage2"
chmod 755 "$root/stage2"
# Read by the generator of the initial ramdisk, which runs when the kernel package is configured.
mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
printf 'MODULES=list\nCOMPRESS=gzip\nRESUME=none\n' > "$root/etc/initramfs-tools/conf.d/cloud"
cat > "$root/etc/initramfs-tools/hooks/cloud" <<'END'
#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
for module in virtio_mmio virtio_pci virtio_blk virtio_net virtio_console virtio_rng ext4 isofs vfat; do
  manual_add_modules $module
done
END
chmod 755 "$root/etc/initramfs-tools/hooks/cloud"

# --- stage 2: in a namespace of this machine where that may be had, else in a machine of its own ---------------------

# A user namespace of root's with its own list of binary formats (Linux 6.7): there QEMU's user-mode emulation runs riscv64
# programs, and nothing else on this machine notices. All ids are mapped to themselves; the network is an empty one.
in_namespace() {
  mkfifo "$work/mapped"
  unshare --user --mount --pid --net --ipc --uts --fork --kill-child "$here/namespace" "$root" "$1" <> "$work/mapped" 9>&- &
  inner=$!
  # Its own user namespace is there as soon as the link to it is another.
  until [ "$(readlink /proc/$inner/ns/user)" != "$(readlink /proc/$$/ns/user)" ]; do sleep 0.05; done
  echo '0 0 4294967295' > /proc/$inner/uid_map
  echo '0 0 4294967295' > /proc/$inner/gid_map
  echo > "$work/mapped"
  status=0
  wait $inner || status=$?
  inner=
  rm "$work/mapped"
  return $status
}

truncate -s 4G "$work/disk.raw"
# The journal comes at the end: here it would only cost time.
make_disk() { mke2fs -q -F -t ext4 -O ^has_journal -L debian-root -m 0 -d "$root" "$work/disk.raw"; }

if [ -z "${FAKEROOTKEY:-}" ] && grep -q ' 4294967295$' /proc/self/uid_map &&
  command -v qemu-riscv64-static > /dev/null && in_namespace /bin/true > /dev/null 2>&1; then
  say "configuring them in a namespace"
  in_namespace /stage2 > "$work/stage2.log" 2>&1 || true
  make_disk
else
  need qemu-system-riscv64 qemu-system-misc
  say "configuring them on QEMU"
  make_disk
  timeout --foreground 7200 qemu-system-riscv64 -M virt -smp 2 -m 2048 -display none -serial "file:$work/stage2.log" -monitor none -no-reboot \
    -kernel "$top/deploy/images/tiny/kernel" -append 'console=ttyS0 root=/dev/vda rw init=/stage2 panic=-1 quiet' \
    -global virtio-mmio.force-legacy=false -drive "file=$work/disk.raw,if=none,id=d0,format=raw,cache=unsafe" \
    -device virtio-blk-device,drive=d0 -device virtio-rng-device < /dev/null || true
  e2fsck -fp "$work/disk.raw" > "$work/fsck.log" 2>&1 || [ $? -le 1 ] || { cat "$work/fsck.log" >&2; exit 1; }
fi
rm -rf "$root"
inside() { debugfs -R "$1" "$work/disk.raw" 2>/dev/null; }
inside 'cat /stage2.done' | grep -q done || {
  cp "$work/stage2.log" "$cache/stage2.log"
  tail -n 20 "$cache/stage2.log" >&2
  say "the second stage did not come to its end; the whole log: $cache/stage2.log"
  exit 1
}

mkdir -p "$work/out"
version=$(inside 'cat /stage2.done' | sed -n 's/^kernel //p')
kernel=$(inside 'ls -p /boot' | awk -F / -v v="$version" '$6 == "vmlinuz-" v || $6 == "vmlinux-" v { print $6 }' | head -n 1)
inside "dump /boot/$kernel $work/out/kernel"
inside "dump /boot/initrd.img-$version $work/out/initrd"
inside "dump /var/lib/packages.tsv $work/out/PACKAGES.tsv"
[ -s "$work/out/kernel" ] && [ -s "$work/out/initrd" ] || { say "no kernel or no initrd in /boot"; exit 1; }
tune2fs -j "$work/disk.raw" > /dev/null
printf 'rm /stage2\nrm /etc/dpkg/dpkg.cfg.d/stage2\nrm /stage2.done\nrm /var/lib/packages.tsv\n' | debugfs -w -f /dev/stdin "$work/disk.raw" > /dev/null 2>&1
# A compact file; cloud-init grows it to the disk of the flavor.
resize2fs -M "$work/disk.raw" > /dev/null 2>&1
blocks=$(dumpe2fs -h "$work/disk.raw" 2>/dev/null | sed -n 's/^Block count: *//p')
size=$((blocks * 4096 + 256 * 1024 * 1024))
truncate -s $size "$work/disk.raw"
resize2fs "$work/disk.raw" > /dev/null 2>&1
qemu-img convert -c -O qcow2 "$work/disk.raw" "$work/out/disk.qcow2"
touch "$work/out/complete"
rm -rf "$out"
mv "$work/out" "$out"
say "done: $(du -h "$out/disk.qcow2" | cut -f 1) disk, $(du -h "$out/kernel" | cut -f 1) kernel, $(du -h "$out/initrd" | cut -f 1) initrd"
echo "$out"

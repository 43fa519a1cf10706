#!/bin/sh
# Builds a full Debian 13 (trixie) for riscv64, for tests that want a real distribution: systemd, cloud-init, OpenSSH and
# Debian's own kernel with the initial ramdisk that Debian's generator makes. Not committed: built on demand into the cache.
#   build.sh                       prints the folder that then holds kernel, initrd and disk.qcow2
#   build.sh --cached              prints it if it was built before, else ends with 3
# Debian packages: debootstrap fakeroot e2fsprogs qemu-utils qemu-system-misc. Needs neither root nor binfmt_misc: the
# packages are unpacked here, and configured (stage2) by a riscv64 machine, QEMU's, on the kernel of the tiny image.
# Takes 10 to 20 minutes, nearly all of it in QEMU, and about 300 MB of downloads.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
cache=${CUMULET_IMAGE_CACHE:-$top/.cache/images}/debian
key=$(cat "$here/build.sh" "$here/stage2" "$here/packages.list" | sha256sum | cut -c 1-12)
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
  exec fakeroot "$0" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
need() { command -v "$1" >/dev/null || { echo "build.sh: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need debootstrap debootstrap
need mke2fs e2fsprogs
need qemu-img qemu-utils
need qemu-system-riscv64 qemu-system-misc

say() { echo "build.sh: $*" >&2; }
work=$cache/$key.work
rm -rf "$work"
mkdir -p "$work" "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/apt/state" "$cache/debs"
trap 'rm -rf "$work"' EXIT

# Which packages: apt knows dependencies better than debootstrap does.
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
apt_ update
wanted=$(grep -v '^#' "$here/packages.list")
closure=$(apt_ -s install --no-install-recommends '?essential' '?priority(required)' apt $wanted |
  sed -n 's/^Inst \([^ ]*\) .*/\1/p' | sort -u | paste -s -d , -)
[ -n "$closure" ] || { say "apt finds no way to install the packages"; exit 1; }

say "unpacking $(echo "$closure" | tr , '\n' | wc -l) packages"
debootstrap --foreign --arch=riscv64 --variant=minbase --keyring="$keyring" --cache-dir="$cache/debs" \
  --include="$closure" trixie "$work/root" "$mirror" > "$work/debootstrap.log" 2>&1 || {
  tail -n 20 "$work/debootstrap.log" >&2
  exit 1
}
# Where debootstrap may make no devices it links to those of this machine; the guest mounts its own.
for folder in dev proc sys; do
  rm -rf "${work:?}/root/$folder"
  mkdir "$work/root/$folder"
done
# dpkg waits for the disk after each file, which a disk that is thrown away on failure does not need.
mkdir -p "$work/root/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io > "$work/root/etc/dpkg/dpkg.cfg.d/stage2"
cp "$here/stage2" "$work/root/stage2"
chmod 755 "$work/root/stage2"
# Read by the generator of the initial ramdisk, which runs when the kernel package is configured.
mkdir -p "$work/root/etc/initramfs-tools/conf.d" "$work/root/etc/initramfs-tools/hooks"
printf 'MODULES=list\nCOMPRESS=gzip\nRESUME=none\n' > "$work/root/etc/initramfs-tools/conf.d/cloud"
cat > "$work/root/etc/initramfs-tools/hooks/cloud" <<'END'
#!/bin/sh
[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
for module in virtio_mmio virtio_pci virtio_blk virtio_net virtio_console virtio_rng ext4 isofs vfat; do
  manual_add_modules $module
done
END
chmod 755 "$work/root/etc/initramfs-tools/hooks/cloud"

say "configuring them on QEMU"
truncate -s 3G "$work/disk.raw"
# The journal comes when the guest has ended: here it would only cost time.
mke2fs -q -F -t ext4 -O ^has_journal -L debian-root -m 0 -d "$work/root" "$work/disk.raw"
rm -rf "$work/root"
timeout --foreground 7200 qemu-system-riscv64 -M virt -smp 2 -m 2048 -display none -serial "file:$work/stage2.log" -monitor none -no-reboot \
  -kernel "$top/deploy/images/tiny/kernel" -append 'console=ttyS0 root=/dev/vda rw init=/stage2 panic=-1 quiet' \
  -global virtio-mmio.force-legacy=false -drive "file=$work/disk.raw,if=none,id=d0,format=raw,cache=unsafe" \
  -device virtio-blk-device,drive=d0 -device virtio-rng-device < /dev/null || true
e2fsck -fp "$work/disk.raw" > "$work/fsck.log" 2>&1 || [ $? -le 1 ] || { cat "$work/fsck.log" >&2; exit 1; }
inside() { debugfs -R "$1" "$work/disk.raw" 2>/dev/null; }
inside 'cat /stage2.done' | grep -q done || {
  cp "$work/stage2.log" "$cache/stage2.log"
  inside 'cat /debootstrap/debootstrap.log' > "$cache/debootstrap.log"
  tail -n 20 "$cache/stage2.log" "$cache/debootstrap.log" >&2
  say "the second stage did not come to its end; $cache has its logs"
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

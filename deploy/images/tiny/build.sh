#!/bin/sh
# Builds the tiny cloud image from Debian's packages: kernel (Debian's kernel source, kernel.config), initrd and
# disk.qcow2. Needs no root.
#   build.sh [<out folder>]        default: beside this script
# Debian packages: linux-source-6.1 gcc-riscv64-linux-gnu libc6-dev-riscv64-cross make flex bison bc libelf-dev
# libssl-dev rsync xz-utils cpio e2fsprogs qemu-utils. The kernel takes 7 to 15 minutes and is kept in the cache.
#
# The same packages give the same bytes: every time stamp is SOURCE_DATE_EPOCH, names are sorted, ids are fixed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
out=${1:-$here}
cache=${CUMULET_IMAGE_CACHE:-$top/.cache/images/tiny}
export SOURCE_DATE_EPOCH=1735689600 TZ=UTC LC_ALL=C
arch=riscv64-linux-gnu
umask 022
mkdir -p "$out" "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { command -v "$1" >/dev/null || { echo "build.sh: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need $arch-gcc "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"
need cpio cpio
need debugfs e2fsprogs
need qemu-img qemu-utils

# --- kernel -------------------------------------------------------------------------------------------------------

build_kernel() {
  source=$(ls /usr/src/linux-source-6.1.tar.xz 2>/dev/null) || {
    echo "build.sh: the kernel source is missing: apt-get install linux-source-6.1" >&2
    exit 1
  }
  kernel_version=$(dpkg-query -W -f '${Version}' linux-source-6.1)
  key=$( (grep '^CONFIG_' "$here/kernel.config" | sort; echo "$kernel_version"; $arch-gcc --version | head -n 1) | sha256sum | cut -c 1-16)
  kernel=$cache/kernel-$key
  [ -e "$kernel" ] && return
  tree=$cache/linux-$kernel_version
  [ -d "$tree" ] || { mkdir -p "$tree.part" && tar -xf "$source" -C "$tree.part" --strip-components=1 && mv "$tree.part" "$tree"; }
  mkdir -p "$work/kernel"
  kmake() {
    make -s -C "$tree" ARCH=riscv CROSS_COMPILE=$arch- O="$work/kernel" KBUILD_BUILD_USER=tiny KBUILD_BUILD_HOST=cumulet \
      KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP="@$SOURCE_DATE_EPOCH" "$@"
  }
  kmake allnoconfig
  (cd "$work/kernel" && "$tree/scripts/kconfig/merge_config.sh" -m -O . .config "$here/kernel.config" >/dev/null)
  kmake olddefconfig
  # An option that Kconfig dropped silently (a missing dependency) is a mistake in kernel.config.
  grep '^CONFIG_' "$here/kernel.config" | while read -r line; do
    case $line in
      *=n) ! grep -q "^${line%=n}=" "$work/kernel/.config" ;;
      *) grep -qxF "$line" "$work/kernel/.config" ;;
    esac || { echo "build.sh: kernel.config asks for $line and does not get it" >&2; exit 1; }
  done
  kmake -j"$(nproc)" Image
  cp "$work/kernel/arch/riscv/boot/Image" "$kernel.part"
  mv "$kernel.part" "$kernel"
}

# --- packages: Debian's riscv64 port, by apt's own architecture override, from the mirror this machine uses ------------

fetch_packages() {
  apt=$cache/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/state" "$apt/debs"
  : > "$apt/state/status"
  mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -n 1)}
  [ -n "$mirror" ] || { echo "build.sh: no Debian mirror in apt's sources: set DEBIAN_MIRROR" >&2; exit 1; }
  echo "deb [arch=riscv64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$apt/sources.list"
  apt_() {
    command=$1
    shift
    "$command" -qq -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 -oDir::Etc::sourcelist="$apt/sources.list" \
      -oDir::Etc::sourceparts=- -oDir::State::lists="$apt/lists" -oDir::State::status="$apt/state/status" \
      -oDir::Cache="$apt/cache" -oAcquire::Languages=none -oAPT::Sandbox::User= "$@"
  }
  apt_ apt-get update
  names=$(grep -v '^#' "$here/packages.list" | cut -f 1)
  (cd "$apt/debs" && apt_ apt-get download $names)
  for name in $names; do
    version=$(apt_ apt-cache show --no-all-versions "$name" | sed -n 's/^Version: //p')
    deb=$apt/debs/${name}_$(echo "$version" | sed 's/:/%3a/')_riscv64.deb
    mkdir -p "$work/packages/$name"
    dpkg-deb -x "$deb" "$work/packages/$name"
    source=$(dpkg-deb -f "$deb" Source)
    source=${source:-$name}
    case $source in
      *\ \(*) source_version=${source#*\(} source_version=${source_version%\)} source=${source%% *} ;;
      *) source_version=$version ;;
    esac
    licence=$(awk -F '\t' -v n="$name" '$1 == n { print $2 }' "$here/packages.list")
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$version" "$source" "$source_version" "$licence" "$(sha256sum "$deb" | cut -d ' ' -f 1)"
  done > "$work/packages.tsv"
}

# --- root -----------------------------------------------------------------------------------------------------------

applets() { # the names that busybox answers to, from its own table: the strings from the last `[[` to `zcat`
  tr '\0' '\n' < "$1" | awk '$0 == "[[" { names = "["; on = 1 } on { names = names "\n" $0 } /^zcat$/ { on = 0 } END { print names }'
}

assemble_root() {
  root=$work/root
  mkdir -p "$root"
  for folder in dev proc sys run tmp root home/cirros mnt usr/bin usr/sbin usr/lib/$arch var/lib/tiny var/log \
    etc/dropbear usr/share/doc; do
    mkdir -p "$root/$folder"
  done
  for name in bin sbin lib; do ln -s "usr/$name" "$root/$name"; done
  ln -s ../run "$root/var/run"
  grep -v '^#' "$here/packages.list" | while IFS="$(printf '\t')" read -r name _ files; do
    for file in $files; do
      case $file in
        @*)
          file=usr/lib/$arch/${file#@}
          cp -L "$work/packages/$name/$file" "$root/$file"
          ;;
        *) cp "$work/packages/$name/$file" "$root/$file" ;;
      esac
    done
    mkdir -p "$root/usr/share/doc/$name"
    cp -L "$work/packages/$name/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/" 2>/dev/null ||
      rmdir "$root/usr/share/doc/$name"
  done
  ln -s $arch/ld-linux-riscv64-lp64d.so.1 "$root/usr/lib/ld-linux-riscv64-lp64d.so.1"
  names=$(applets "$root/usr/bin/busybox")
  [ "$(echo "$names" | wc -l)" -gt 200 ] || { echo "build.sh: busybox has an applet table of another form" >&2; exit 1; }
  for name in $names; do
    case $name in
      busybox | dpkg | dpkg-deb | rpm | rpm2cpio) continue ;;
      acpid | getty | halt | init | poweroff | reboot | udhcpc | udhcpc6 | udhcpd | syslogd | klogd | crond | switch_root) folder=usr/sbin ;;
      *) folder=usr/bin ;;
    esac
    target=busybox
    [ $folder = usr/sbin ] && target=../bin/busybox
    [ -e "$root/$folder/$name" ] || ln -s $target "$root/$folder/$name"
  done
  $arch-gcc -Os -Wall -s -Wl,--build-id=none -o "$root/usr/bin/sudo" "$here/sudo.c"
  ln -s dbclient "$root/usr/bin/ssh"
  cp -R "$here/root/." "$root/"
  echo "VERSION_ID=$(cut -f 2 "$work/packages.tsv" | sha256sum | cut -c 1-8)" >> "$root/etc/os-release"
  : > "$root/etc/resolv.conf"
}

# The file system is written by debugfs in sorted order, so neither the order of a directory here nor a time stamp or
# owner of this machine reaches it.
attributes() { # <path>: mode uid gid; the exceptions are listed, the rest is root's
  case $1 in
    /tmp) echo 041777 0 0 ;;
    /root) echo 040700 0 0 ;;
    /home/cirros) echo 040755 1000 1000 ;;
    /etc/shadow) echo 0100600 0 0 ;;
    /etc/dropbear) echo 040700 0 0 ;;
    /usr/bin/sudo) echo 0104750 0 27 ;;
    # busybox itself drops the right at once, other than for ping, su, passwd and their like.
    /usr/bin/busybox) echo 0104755 0 0 ;;
    *)
      if [ -L "$work/root$1" ]; then echo 0120777 0 0
      elif [ -d "$work/root$1" ]; then echo 040755 0 0
      elif [ -x "$work/root$1" ]; then echo 0100755 0 0
      else echo 0100644 0 0; fi
      ;;
  esac
}

build_disk() {
  image=$work/disk.raw
  rm -f "$image"
  truncate -s 64M "$image"
  # No checksums of metadata: a guest on an emulator pays for each. uninit_bg leaves new block groups untouched when
  # the file system grows to the disk of its flavor, and room for that growth is reserved up to 64 GiB.
  mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m 0 -L tiny-root -U 74696e79-0000-4000-8000-726f6f740001 -J size=4 \
    -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,uninit_bg \
    -E hash_seed=74696e79-0000-4000-8000-726f6f740002,resize=16777216,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=1 "$image"
  {
    echo "set_current_time @$SOURCE_DATE_EPOCH"
    (cd "$work/root" && find . -mindepth 1 | sed 's/^\.//' | sort) | while read -r path; do
      if [ -L "$work/root$path" ]; then
        echo "symlink $path $(readlink "$work/root$path")"
      elif [ -d "$work/root$path" ]; then
        echo "mkdir $path"
      else
        echo "write $work/root$path $path"
      fi
      set -- $(attributes "$path")
      echo "sif $path mode $1"
      echo "sif $path uid $2"
      echo "sif $path gid $3"
      for field in atime ctime mtime crtime; do echo "sif $path $field @$SOURCE_DATE_EPOCH"; done
    done
    # And the inodes that mke2fs makes itself: bad blocks, resize, journal.
    for path in / /lost+found '<1>' '<7>' '<8>'; do
      for field in atime ctime mtime crtime; do echo "sif $path $field @$SOURCE_DATE_EPOCH"; done
    done
    for field in mkfs_time lastcheck wtime; do echo "ssv $field @$SOURCE_DATE_EPOCH"; done
    echo "ssv kbytes_written 0"
  } > "$work/debugfs.script"
  debugfs -w -f "$work/debugfs.script" "$image" > "$work/debugfs.log" 2>&1
  if grep -v -e '^debugfs' -e '^Allocated inode' -e '^Setting current time' "$work/debugfs.log" | grep .; then
    echo "build.sh: debugfs complains" >&2
    exit 1
  fi
  e2fsck -fn "$image" > "$work/fsck.log" 2>&1 || { cat "$work/fsck.log" >&2; exit 1; }
  qemu-img convert -c -O qcow2 "$image" "$work/disk.qcow2"
}

build_initrd() {
  tree=$work/initrd
  mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/root" "$tree/sbin"
  cp "$work/root/usr/bin/busybox" "$tree/bin/busybox"
  for name in sh mount cat findfs switch_root usleep setsid cttyhack poweroff reboot ls dmesg; do ln -s busybox "$tree/bin/$name"; done
  cp "$here/ramdisk/init" "$tree/init"
  chmod 755 "$tree/init" "$tree/bin/busybox"
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  # Not compressed: unpacking would cost the guest more than the bytes are worth.
  (cd "$tree" && find . -mindepth 1 | sort | cpio --quiet --reproducible -R 0:0 -H newc -o) > "$work/initrd.cpio"
}

build_kernel
fetch_packages
assemble_root
build_disk
build_initrd
cp "$kernel" "$out/kernel"
cp "$work/initrd.cpio" "$out/initrd"
cp "$work/disk.qcow2" "$out/disk.qcow2"
chmod 644 "$out/kernel" "$out/initrd" "$out/disk.qcow2"
{
  printf 'package\tversion\tsource\tsource version\tlicence\tsha256 of the package\n'
  printf 'linux-source-6.1\t%s\tlinux\t%s\tGPL-2.0-only WITH Linux-syscall-note\t%s\n' \
    "$kernel_version" "$kernel_version" "$(sha256sum /usr/src/linux-source-6.1.tar.xz | cut -d ' ' -f 1)"
  cat "$work/packages.tsv"
} > "$out/PACKAGES.tsv"
(cd "$out" && sha256sum kernel initrd disk.qcow2 > SHA256SUMS && cat SHA256SUMS && ls -l kernel initrd disk.qcow2)

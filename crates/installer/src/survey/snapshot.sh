# Copies what the kernel and udev say of a machine, and what is installed there, into a tar on standard
# output. It changes nothing; its own directory goes when it ends. Nothing here needs more than a POSIX
# shell, tar and coreutils, and hardly anything is started per device: machines may have hundreds.
set -eu
export LC_ALL=C
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir calve

# Attributes of the kernel are one line each, and say that they are 4096 bytes, which tar would believe.
line() { # from, to
  if IFS= read -r value 2>/dev/null <"$1" || [ -n "${value:-}" ]; then printf '%s\n' "$value" >"$2"; fi
  value=
}

# Block devices: where they are described, and the few attributes that are asked for.
nodes=
links=
for class in /sys/class/block/*; do
  [ -e "$class/dev" ] || continue
  node=$(cd -P "$class" && pwd)
  nodes="$nodes $node"
done
for node in $nodes; do
  for directory in "$node" "$node/queue" "$node/device" "$node/dm" "$node/md" "$node/loop" "$node/bcache"; do
    [ -d "$directory" ] && [ ! -L "$directory" ] && mkdir -p ".$directory"
  done
  for name in dev size ro removable partition start diskseq wwid serial partscan \
    queue/logical_block_size queue/zoned loop/backing_file loop/partscan dm/name dm/uuid; do
    [ -f "$node/$name" ] && line "$node/$name" ".$node/$name"
  done
  for name in device holders slaves; do
    [ -L "$node/$name" ] && links="$links ${node#/}/$name"
  done
  # What a disk hangs on has its maker's name and its serial number: its device, or an ancestor on the bus.
  device=$(cd -P "$node/device" 2>/dev/null && pwd) || continue
  mkdir -p ".$device"
  for name in type vendor model name serial wwid; do
    [ -f "$device/$name" ] && line "$device/$name" ".$device/$name"
  done
  parent=$device
  while parent=${parent%/*} && [ "${parent#/sys/devices/}" != "$parent" ]; do
    [ -f "$parent/serial" ] || [ -f "$parent/idVendor" ] || continue
    mkdir -p ".$parent"
    for name in serial idVendor; do
      [ -f "$parent/$name" ] && line "$parent/$name" ".$parent/$name"
    done
  done
done
for directory in $nodes; do
  for kind in holders slaves; do
    for link in "$directory/$kind"/*; do
      [ -L "$link" ] && links="$links ${link#/}"
    done
  done
done
for link in /sys/dev/block/* /sys/block/* /sys/class/block/* /sys/fs/btrfs/*/devices/* /sys/fs/bcachefs/*/*/block \
  /dev/disk/by-id/* /dev/disk/by-path/*; do
  [ -L "$link" ] && links="$links ${link#/}"
done

# The machine.
mkdir -p proc/self run/udev/data etc sys/firmware
cat /proc/self/mountinfo >proc/self/mountinfo
cat /proc/swaps >proc/swaps 2>/dev/null || :
cat /proc/meminfo >proc/meminfo
cat /etc/os-release >etc/os-release 2>/dev/null || :
line /proc/sys/kernel/hostname calve/hostname
cp /run/udev/data/b* run/udev/data/ 2>/dev/null || :
if [ -d /sys/firmware/efi ]; then
  mkdir sys/firmware/efi
  [ -f /sys/firmware/efi/fw_platform_size ] && line /sys/firmware/efi/fw_platform_size sys/firmware/efi/fw_platform_size
fi
uname -m >calve/machine
id -u >calve/user
for program in nix nix-env nix-store nixos-install nixos-enter nixos-generate-config sfdisk wipefs cryptsetup mkswap \
  mkfs.ext4 mkfs.vfat mkfs.btrfs mkfs.xfs btrfs udevadm blkdiscard systemctl tar flock findmnt mount mountpoint umount \
  swapon swapoff unshare chroot chown sync ssh-keygen; do
  found=$(command -v "$program") && printf '%s %s\n' "$program" "$found"
done >calve/programs || :

# Two archives, one after the other: busybox' tar changes directories once. Names of the kernel hold no
# blanks, and udev escapes those of its links.
tar -cf - -C "$work" .
# shellcheck disable=SC2086
[ -z "$links" ] || tar -cf - -C / $links

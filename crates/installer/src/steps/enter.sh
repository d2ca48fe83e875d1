# Activates a system below its root and lets it install its boot loader, as nixos-enter does: in mounts and
# processes of its own, which end with it. Arguments: the root, the system.
set -eu
root=$1 system=$2
umask 022
mount --make-rprivate /
for directory in dev sys; do
  mkdir -p "$root/$directory"
  mount --rbind "/$directory" "$root/$directory"
done
mkdir -p "$root/proc"
mount -t proc proc "$root/proc"
chroot=$(command -v chroot)
enter() {
  env -i "PATH=/run/current-system/sw/bin:$system/sw/bin" HOME=/root \
    "LOCALE_ARCHIVE=$system/sw/lib/locale/locale-archive" NIXOS_INSTALL_BOOTLOADER=1 IN_NIXOS_ENTER=1 \
    "$chroot" "$root" "$@"
}
# What of it needs a running system fails, and is done at the first start.
enter "$system/activate" || echo "activation ended with $?" >&2
enter "$system/sw/bin/systemd-tmpfiles" --create --remove -E 2>/dev/null || :
enter "$system/bin/switch-to-configuration" boot

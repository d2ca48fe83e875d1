# Makes subvolumes of a btrfs that nobody has mounted. Arguments: its device, their paths.
set -eu
umask 022
top=$(mktemp -d /run/calve-top-XXXXXX)
trap 'umount "$top" 2>/dev/null || :; rmdir "$top"' EXIT
mount "$1" "$top"
shift
for path; do
  mkdir -p "$(dirname "$top/$path")"
  btrfs subvolume create "$top/$path" >/dev/null
done

# Runs a command on a disk, if the disk is still the one that was surveyed. Names are given anew to whatever is
# plugged in next; the kernel's count of disks is not, and where a kernel has none, number and size have to do.
# Arguments: the disk, its number, its size in units of 512 bytes, its place in the count or "-", the command.
device=$1 number=$2 size=$3 sequence=$4
shift 4
node=/sys/dev/block/$number
real=$(readlink -f "$device") || real=
[ -n "$real" ] && [ -b "$real" ] || { echo "$device is gone" >&2; exit 90; }
[ "$(cat "/sys/class/block/${real##*/}/dev")" = "$number" ] || { echo "$device is another disk now" >&2; exit 90; }
[ "$(cat "$node/size")" = "$size" ] || { echo "$device has another size now" >&2; exit 90; }
if [ "$sequence" != - ] && [ "$(cat "$node/diskseq")" != "$sequence" ]; then
  echo "$device was taken out and put in again" >&2
  exit 90
fi
exec "$@"

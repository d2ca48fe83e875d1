# Makes an SSH host key, if there is none. Arguments: its file, its kind.
set -eu
umask 022
mkdir -p "${1%/*}"
[ ! -s "$1" ] || exit 0
rm -f "$1.new" "$1.new.pub"
ssh-keygen -q -t "$2" -N '' -C '' -f "$1.new"
mv "$1.new.pub" "$1.pub"
mv "$1.new" "$1"

# Puts a secret from standard input into a file that only root may read. Arguments: the file; the last directory
# above it that is there for others, too: those below are made for root alone.
set -eu
umask 022
mkdir -p "$2"
umask 077
mkdir -p "${1%/*}"
cat >"$1.new"
mv "$1.new" "$1"

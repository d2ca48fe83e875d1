# Adds a passphrase to a LUKS volume. Standard input: the length of one that opens it in eight digits, that
# passphrase, and the same of the new one. Both lie in memory, for root alone, until this ends.
set -eu
umask 077
keys=$(mktemp -d /run/calve-keys-XXXXXX)
trap 'rm -rf "$keys"' EXIT
trap 'exit 130' INT TERM HUP
device=$1
shift
for key in old new; do
  length=$(head -c 8)
  head -c "${length#"${length%%[!0]*}"}" >"$keys/$key"
done
cryptsetup luksAddKey --batch-mode "$@" --key-file="$keys/old" "$device" "$keys/new"

# Makes the first generation of a root's system profile, and what keeps Nix from collecting it. Arguments: the
# root, the system.
set -eu
umask 022
state=$1/nix/var/nix
mkdir -p "$state/profiles" "$state/gcroots"
ln -sfn "$2" "$state/profiles/system-1-link"
ln -sfn system-1-link "$state/profiles/system"
[ -e "$state/gcroots/profiles" ] || [ -L "$state/gcroots/profiles" ] || ln -s /nix/var/nix/profiles "$state/gcroots/profiles"

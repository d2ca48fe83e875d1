#!/bin/sh
# Stands in for the programs that change a machine, by whose names it is linked: notes in $FAKE_ROOT/log that it begins
# and ends, and does the little by which other commands see what it did. $FAKE_DIES: it ends halfway. $FAKE_FAILS: the
# name of the one that fails, and says why. $FAKE_NAPS: the name of the one that takes long.
name=${0##*/}
note() { printf '%s %s\n' "$1" "$line" >>"$FAKE_ROOT/log"; }
line=$(printf '%s' "$name"; for word; do case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac; done)
read_key() { [ "$(cat)" = 'open sesame' ] || { note wrong; echo 'No key available with this passphrase.' >&2; exit 2; }; }

case $name in
findmnt | mountpoint) # --source DEVICE --mountpoint PATH | -q PATH
  for path; do :; done
  exec grep -qx "$path" "$FAKE_ROOT/mounts" 2>/dev/null
  ;;
esac
[ "$name $1" != 'cryptsetup status' ] || exec test -e "$FAKE_ROOT/dev/mapper/$2"

note begin
case "$name $*" in
cryptsetup*--key-file=-*) read_key ;;
sfdisk* | tar* | nix-store*) cat >"$FAKE_ROOT/input.$name" ;;
esac
[ "$name" != "$FAKE_NAPS" ] || sleep 100
[ -z "$FAKE_DIES" ] || exit 137
if [ "$name" = "$FAKE_FAILS" ]; then
  echo 'it was going well'
  echo "$name: no space left on device" >&2
  exit 4
fi
case "$name $*" in
'mount '*) for path; do :; done && echo "$path" >>"$FAKE_ROOT/mounts" ;;
'umount '*) rm -f "$FAKE_ROOT/mounts" ;;
'cryptsetup open '*) for volume; do :; done && mkdir -p "$FAKE_ROOT/dev/mapper" && : >"$FAKE_ROOT/dev/mapper/$volume" ;;
'cryptsetup close '*) rm -f "$FAKE_ROOT/dev/mapper/$2" ;;
esac
note end

# Behaves as the scripted first stage of NixOS does (nixos/modules/system/boot/luksroot.nix): it asks by a file, takes the answer
# from another, and asks again when that was wrong. Volumes are "NAME DEVICE" lines of $root/volumes.
ramfs=$root/crypt-ramfs
while read -r name device; do
  while :; do
    while [ ! -e "$ramfs/passphrase" ]; do
      printf %s "$device" >"$ramfs/device"
      sleep 0.2
    done
    given=$(cat "$ramfs/passphrase")
    if tried "$name"; then
      [ -e "$root/reuses" ] || rm -f "$ramfs/passphrase"
      break
    fi
    rm -f "$ramfs/passphrase"
  done
done <"$root/volumes"
leave

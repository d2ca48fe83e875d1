#!/oracle/busybox sh
# Opens every volume that this machine has with every key that is meant for it, mounts it, and says on
# the console what it holds. The answers are compared outside.
export PATH=/oracle/bin
mkdir -p /proc /sys /dev /run/cryptsetup /tmp /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in virtio_pci virtio_blk dm_mod dm_crypt aesni_intel xts algif_skcipher; do
  modprobe "$module"
done
cryptsetup=$(echo /nix/store/*-extra-utils/bin/cryptsetup)

volume() { # device, folder with its keys
  for key in "$2"/*; do
    "$cryptsetup" open --test-passphrase --key-slot "${key##*/}" --key-file "$key" "$1" || return 1
  done
  if "$cryptsetup" open --test-passphrase --key-file /oracle/wrong "$1" 2>/dev/null; then return 1; fi
  "$cryptsetup" open --key-file "$key" "$1" opened || return 1
  mount -t ext4 /dev/mapper/opened /mnt || return 1
  (cd /mnt && find . -type f | sort | xargs sha256sum) | sha256sum | cut -d ' ' -f 1
  umount /mnt
  "$cryptsetup" close opened
}

for keys in /oracle/keys/*; do
  name=${keys##*/}
  echo "VOLUME $name $(volume "/dev/$name" "$keys" || echo failed)"
done
echo ORACLE-DONE
poweroff -f

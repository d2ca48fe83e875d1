# What the fake first stages share. $root is the initrd; below it, passphrases/NAME is what opens a volume. Nothing secret is
# an argument of anything here either: the tests look.
count=0

# Whether the passphrase in $given opens the volume $1; deriving a key takes its time.
tried() {
  sleep 0.3
  IFS= read -r right <"$root/passphrases/$1"
  if [ "$given" = "$right" ]; then
    echo "$1 right" >>"$root/log"
    dm=$root/sys/block/dm-$count/dm count=$((count + 1))
    mkdir -p "$dm"
    echo "$1" >"$dm/name"
    echo "CRYPT-LUKS2-0-$1" >"$dm/uuid"
    return 0
  fi
  echo "$1 wrong" >>"$root/log"
  return 1
}

# On to the second stage: the SSH server of the first one is killed, with all its sessions.
leave() {
  sleep 1.5
  echo left >>"$root/log"
  kill "$(cat "$root/sshd.pid")"
  kill -9 $(cat "$root/sessions") 2>/dev/null
  exit 0
}

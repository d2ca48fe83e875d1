# Asks with systemd's own program, and is answered by systemd's own agent.
volume() {
  while [ -e "$root/late-$1" ]; do sleep 0.1; done
  for try in 1 2 3; do
    given=$(systemd-ask-password --no-tty --timeout=60 --id="cryptsetup:/dev/disk/by-partlabel/$1" \
      "Please enter passphrase for disk $1:")
    if tried "$1"; then return; fi
  done
  echo "$1 failed" >>"$root/log"
}
while read -r name device; do
  volume "$name" &
  count=$((count + 1))
done <"$root/volumes"
wait
leave

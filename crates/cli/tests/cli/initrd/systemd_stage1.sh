# Asks as systemd-cryptsetup does (https://systemd.io/PASSWORD_AGENTS/): all volumes at once, each up to three times. What is a
# socket there is a file here. One passphrase that was given is tried by the others, once, as from the kernel's keyring.
volume() {
  name=$1 tries=0 cached=$root/cached
  while [ $tries -lt 3 ]; do
    tries=$((tries + 1))
    ask=$(mktemp "$root/ask-password/tmp.XXXXXX")
    final=$root/ask-password/ask.${ask##*.} reply=$root/ask-password/sck.${ask##*.}
    printf '[Ask]\nPID=%s\nSocket=%s\nAcceptCached=1\nNotAfter=0\nMessage=Please enter passphrase for disk %s:\nId=cryptsetup:/dev/disk/by-partlabel/%s\n' \
      "$$" "$reply" "$name" "$name" >"$ask"
    mv "$ask" "$final"
    while [ ! -e "$reply" ] && { [ $tries -gt 1 ] || [ ! -e "$cached" ]; }; do sleep 0.1; done
    if [ -e "$reply" ]; then given=$(cat "$reply"); else given=$(cat "$cached"); fi
    rm -f "$final" "$reply"
    printf %s "$given" >"$cached.$name"
    mv "$cached.$name" "$cached"
    if tried "$name"; then return; fi
  done
  echo "$name failed" >>"$root/log"
}
while read -r name device; do
  volume "$name" &
  count=$((count + 1))
done <"$root/volumes"
wait
[ -e "$root/stays" ] || leave

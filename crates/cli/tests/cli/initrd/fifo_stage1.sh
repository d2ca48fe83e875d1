# Reads a passphrase from a FIFO, as many times as it takes.
read -r name device <"$root/volumes"
mkfifo "$root/fifo"
given=$(cat "$root/fifo")
tried "$name"
leave

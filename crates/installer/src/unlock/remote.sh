# Run on the host, by whatever sh its initrd has. No word of this is secret: a passphrase comes by
# stdin, passes through variables and pipes of shells, and is never an argument. Only builtins, sleep, mv, rm
# and ls (and busybox' find, as its ls always sorts) are used: an initrd has little more.
say() { printf '@calve %s\n' "$*"; }
nap() { sleep 0.2 2>/dev/null || sleep 1; }

# Volumes that are open by now: the kernel's own word, whoever opened them.
look() {
  for dm in /sys/block/dm-*/dm; do
    uuid= name=
    [ -r "$dm/uuid" ] && IFS= read -r uuid <"$dm/uuid"
    case $uuid in CRYPT-*) IFS= read -r name <"$dm/name" && say open "$name" ;; esac
  done
  say tick
}

# A moment after an answer, in which a volume may be opened and the host go on.
settle() {
  for _ in 1 2 3 4 5; do
    nap
    look
  done
}

# Waits for "+PASSPHRASE"; the end of input is the end of this.
hear() {
  IFS= read -r p || exit 0
  p=${p#+}
}

# The first request in the directory's own order: it is what the agent asks first, too.
pending() {
  for ask in $({ ls -U /run/systemd/ask-password || find /run/systemd/ask-password; } 2>/dev/null); do
    ask=${ask##*/}
    case $ask in ask.*) ;; *) continue ;; esac
    message= id= pid=
    while IFS= read -r line; do
      case $line in
        Message=*) message=${line#Message=} ;;
        Id=*) id=${line#Id=} ;;
        PID=*) pid=${line#PID=} ;;
      esac
    done 2>/dev/null <"/run/systemd/ask-password/$ask" || continue
    # The agent passes over those whose asker is gone.
    [ -z "$pid" ] || [ -d "/proc/$pid" ] || continue
    return 0
  done
  return 1
}

# Which request the agent reads an answer for: it watches that file, and the kernel tells the inode.
watches() {
  watched=
  for info in "/proc/$agent/fdinfo/"*; do
    while IFS= read -r line; do
      case $line in
        "inotify "*" ino:$1 "*) watched=this && return ;;
        "inotify "*) watched=other ;;
      esac
    done 2>/dev/null <"$info"
  done
}

# Without a terminal the agent reads a line of its stdin for each request, and takes the end of it for an
# empty passphrase: so its stdin stays open, and it is ended when one request is gone. It blocks SIGTERM. Nobody waits for
# it: some shells would wait for all of the pipe. It begins with what is first by then, so it is given nothing before it
# is seen to read for the request that the passphrase belongs to: the end of another process is the sign for that.
agent() {
  request=/run/systemd/ask-password/$1
  inode=$(set -- $(ls -i "$request" 2>/dev/null) && printf '%x' "${1:-0}")
  sleep 60 >/dev/null 2>&1 &
  gate=$!
  {
    while kill -0 "$gate" && kill -0 $$; do nap; done
    kill -0 $$ && printf '%s\n' "$p"
    exec sleep 20
  } 2>/dev/null | systemd-tty-ask-password-agent --query >/dev/null 2>&1 &
  agent=$!
  naps=0
  while watches "$inode"; [ -z "$watched" ] && [ "$naps" -lt 10 ]; do
    nap
    naps=$((naps + 1))
  done
  # One that watches nothing is trusted to take the first.
  [ -z "$watched" ] && pending && [ "$ask" = "$1" ] && watched=this
  [ "$watched" = this ] || kill -9 "$agent" 2>/dev/null
  kill "$gate"
  wait "$gate" 2>/dev/null
  [ "$watched" = this ] || return 2
  # Who asked takes the request away a moment after the agent has answered it and ended.
  naps=0 gone=0
  while [ -e "$request" ] && [ "$naps" -lt 50 ] && [ "$gone" -lt 10 ]; do
    nap
    naps=$((naps + 1))
    kill -0 "$agent" 2>/dev/null || gone=$((gone + 1))
  done
  kill -9 "$agent" 2>/dev/null
  [ ! -e "$request" ]
}

systemd() {
  [ -e /etc/initrd-release ] || say booted
  while look; do
    if pending; then
      this=$ask
      say ask "$ask" "${id:--}" "$message"
      hear
      agent "$this"
      # Another one may have come first meanwhile, and would have got this answer.
      case $? in 0) say taken ;; 1) say stuck ;; *) say later ;; esac
      p=
      # Others that ask try what was just given by themselves, and ask anew if it is not theirs.
      settle
    fi
    nap
  done
}

askpass() {
  # Which device becomes which volume.
  while IFS= read -r line; do
    case $line in *"cryptsetup luksOpen "*)
      line=${line##*"cryptsetup luksOpen "}
      device=${line%% *} line=${line#* }
      say volume "$device" "${line%% *}"
      ;;
    esac
  done 2>/dev/null </init
  count=0
  while look; do
    # A passphrase that is there is being tried, or will be tried for the next volume.
    if [ -s /crypt-ramfs/device ] && [ ! -e /crypt-ramfs/passphrase ]; then
      device= count=$((count + 1))
      # No line end: read says no, and has read it.
      IFS= read -r device </crypt-ramfs/device
      say ask "$count" "$device" "$device"
      hear
      (
        umask 077
        printf '%s' "$p" >/crypt-ramfs/.answer
      ) && mv /crypt-ramfs/.answer /crypt-ramfs/passphrase && say taken || say stuck
      p=
      # Asked in the moment before the answer was seen.
      nap
      rm -f /crypt-ramfs/device
      settle
    fi
    nap
  done
}

fifo() {
  while look && [ ! -p "$fifo" ]; do nap; done
  say ask fifo "$fifo" "$fifo"
  hear
  printf '%s' "$p" >"$fifo" && say taken || say stuck
  p=
  while look; do nap; done
}

say hello 1
if [ "$kind" = any ]; then
  if [ -d /crypt-ramfs ]; then
    kind=askpass
  elif command -v systemd-tty-ask-password-agent >/dev/null 2>&1; then
    kind=systemd
  fi
fi
say kind "$kind"
case $kind in
  systemd) systemd ;;
  askpass) askpass ;;
  fifo) fifo ;;
esac

# Holds the machine for one installation for as long as somebody holds this command's input, and takes the lines of its
# journal. Says "free" when it does, or "busy" while something still runs that another one left; else "held" and who has it.
# Arguments: what nobody else's journal has, and who asks.
umask 077
mkdir -p /run/calve && cd /run/calve || exit 1
command -v flock >/dev/null || { echo "there is no flock here" >&2; exit 1; }

# The process that serves the connection of another one; nothing where there is none.
connection() {
  process=$1
  while [ "${process:-1}" -gt 1 ]; do
    read -r name <"/proc/$process/comm" || return
    case $name in sshd* | dropbear) echo "$process"; return ;; esac
    process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status")
  done
} 2>/dev/null

exec 9>>lock
if ! flock -n 9; then
  token= process= who=
  { read -r token; read -r process; read -r who; } <holder 2>/dev/null
  held() { echo "held ${who:-somebody who has not said who}"; exit 0; }
  [ "$token" = "$1" ] || held
  # The same journal, locked there by whoever asks: who held this is gone, and a connection that was cut holds it.
  if [ "$(readlink "/proc/$process/fd/9")" = "$(readlink "/proc/$$/fd/9")" ]; then
    old=$(connection "$process")
    [ "$old" = "$(connection $$)" ] || kill "$old" 2>/dev/null
    kill "$process" 2>/dev/null
  fi
  flock -w 20 9 || held
fi
printf '%s\n' "$1" "$$" "$2, held there by process $$" >holder
if flock -n busy true; then echo free; else echo busy; fi

# One word, and a line of the journal, or how many of them: what was done is on the disk before that is noted.
while read -r word line; do
  [ "$word" != done ] || sync
  if [ "$word" = anew ]; then
    : >journal
    count=$line
  else
    count=0
    printf '%s\n' "$line" >>journal
  fi && while [ "$count" -gt 0 ]; do
    read -r line && printf '%s\n' "$line" >>journal && count=$((count - 1)) || exit 1
  done && echo noted || echo failed
done

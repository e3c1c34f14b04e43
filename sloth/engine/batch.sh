# The outer half of every batch: runs the steps in a session of their own, watches the clock, sends the outcome.
# Sent on stdin to a root shell by sloth.engine.shell, which puts @MARK@, @COUNT@, @TICK@, @LIMIT@, @LOCK@ and @STEPS@ in;
# comments and indentation are not sent. Names begin with _s_ because the steps' own text is evaluated beside them.
# Every process costs a node about a millisecond: a batch has six of its own, a step none.

# Private files (umask 077), all of them $_s_f.NAME with a random name; on tmpfs, so that a full disk is no obstacle:
#   log   `b STEP TICKS KIND SECONDS` when a step begins, `r STEP STATUS CHANGED` when it is over
#   No Ne what step N wrote to stdout and stderr
#   kept  the last words of a try of a wait
#   over  the steps' session came to its end; late: it was ended; gone: nobody listens any more
_s_clean() {
  trap - EXIT
  [ -z "$_s_dog" ] || kill "$_s_dog" 2>/dev/null
  _s_wipe
}

# By name: a shell that looks for them reads all of /run, where there may be thousands of others.
_s_wipe() {
  set -- "$_s_f.log" "$_s_f.noise" "$_s_f.over" "$_s_f.late" "$_s_f.gone" "$_s_f.mark" "$_s_f.kept" ${_s_lock:+"$_s_lock"}
  k=0
  while [ "$k" -lt @COUNT@ ]; do
    k=$((k + 1))
    set -- "$@" "$_s_f.${k}o" "$_s_f.${k}e"
  done
  rm -f -- "$@"
}

# Once per tick: tell the listener which step is being done (if that fails, no other is begun), and end an overdue one
# with all that it started: TERM to its session, KILL five seconds later. Where the outer shell ($$) was killed, tidy up.
_s_watch() {
  exec 2>/dev/null </dev/null 9>&-
  trap 'kill $!; exit' TERM
  trap '' PIPE
  last='' seen=0 _s_lock=''
  while :; do
    sleep @TICK@ >/dev/null & wait $!
    kill -s 0 "$1" || break
    while read -r what k t _; do [ "$what" = r ] || step=$k ticks=$t; done <"$_s_f.log"
    [ -n "$step" ] || continue
    echo "@MARK@ b $step" || : >"$_s_f.gone"
    [ "$step" = "$last" ] || { last=$step seen=0; }
    seen=$((seen + 1))
    [ "$seen" -le "$ticks" ] || _s_stop "$1" >/dev/null
  done
  [ -e "/proc/$$/exe" ] || _s_wipe
}

_s_stop() {
  : >"$_s_f.late"
  kill -s TERM -- "-$1"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    kill -s 0 -- "-$1" || break
    sleep 0.2 & wait $!
  done
  kill -s KILL -- "-$1"
  exit
}

# Run from step $1 on; with $2, only the diagnosis of step $2.
_s_session() {
  setsid sh -s "$_s_f" "$1" "$2" 2>>"$_s_f.noise" <<'_s_@MARK@' &
@STEPS@
_s_@MARK@
  _s_pid=$!
  _s_watch "$_s_pid" &
  _s_dog=$!
  wait "$_s_pid" 2>/dev/null
  _s_end=$?
  # The signal may be lost while that shell is just starting; then it ends by itself at its next look.
  if [ -e "$_s_f.late" ]; then wait "$_s_dog"; else kill "$_s_dog" 2>/dev/null; fi
  _s_dog=''
}

# The steps' session is over: true if another one must go on after a step that was overdue but may fail.
_s_settle() {
  [ ! -e "$_s_f.over" ] || return 1
  step=0 last=0
  while read -r what k _ kd lm; do
    if [ "$what" = r ]; then last=$k; else step=$k kind=$kd limit=$lm; fi
  done <"$_s_f.log"
  _s_from=$((step + 1))
  if [ ! -e "$_s_f.late" ]; then
    cat "$_s_f.noise" >>"$_s_f.${step}e"
    echo "the shell of this step ended with status $_s_end" >>"$_s_f.${step}e"
    [ "$last" = "$step" ] || echo "r $step 137 1" >>"$_s_f.log"
    return 1
  fi
  rm -f "$_s_f.late"
  [ "$last" != "$step" ] || return 0
  if [ "$kind" = wait ]; then
    [ -s "$_s_f.${step}e" ] || [ ! -s "$_s_f.kept" ] || mv -f "$_s_f.kept" "$_s_f.${step}e"
    _s_session 999999 "$step"
  fi
  echo "timed out after $limit s" >>"$_s_f.${step}e"
  if [ "$kind" = do ]; then last=1; else last=0; fi
  echo "r $step 124 $last" >>"$_s_f.log"
  [ "$kind" = may ]
}

# One line for each outcome, then all captured output in one go: each stream followed by the mark on a line of its own.
_s_send() {
  set --
  printf '\n%s\n' '@MARK@' >"$_s_f.mark"
  while read -r what k status changed _; do
    [ "$what" = r ] || continue
    echo "@MARK@ r $k $status $changed"
    [ ! -s "$_s_f.${k}o" ] || set -- "$@" "$_s_f.${k}o"
    set -- "$@" "$_s_f.mark"
    [ ! -s "$_s_f.${k}e" ] || set -- "$@" "$_s_f.${k}e"
    set -- "$@" "$_s_f.mark"
  done <"$_s_f.log"
  echo '@MARK@ d'
  [ $# = 0 ] || tail -q -c @LIMIT@ -- "$@"
  echo '@MARK@ end'
}

# The lock file is removed by its holder, so it may be another file by the time that it is ours: then once more.
_s_alone() {
  while :; do
    exec 9>"$1"
    flock -w 300 9 || return
    [ ! "/proc/$$/fd/9" -ef "$1" ] || break
  done
  _s_lock=$1
}

_s_batch() {
  echo 'sloth-batch @MARK@ @COUNT@'
  export LC_ALL=C PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  umask 077
  _s_dog='' _s_pid='' _s_lock='' _s_home=/run
  [ -w /run ] || _s_home=${TMPDIR:-/tmp}
  _s_f="$_s_home/sloth-batch-@MARK@"
  trap _s_clean EXIT
  trap '[ -z "$_s_pid" ] || kill -s TERM -- "-$_s_pid" 2>/dev/null; exit 143' HUP INT TERM PIPE
  : >"$_s_f.log"
  if [ -n '@LOCK@' ] && ! _s_alone "$_s_home/sloth-batch-@LOCK@.lock"; then
    echo 'an earlier batch of steps still works on this host' >"$_s_f.1e"
    echo 'r 1 75 0' >"$_s_f.log"
    _s_send
    exit
  fi
  _s_from=1
  _s_session 1
  while _s_settle; do [ "$_s_from" -le @COUNT@ ] || break; _s_session "$_s_from"; done
  _s_send
}
_s_batch; exit

# The inner half of every batch, in a session of its own: $1 the private files' common name, $2 the first step, $3 a diagnosis only.
# A step's text is evaluated in a subshell of this shell, so that it is never an argument of a process.
_s_f=$1 _s_from=$2 _s_diag=$3
set --

# _s_begin STEP TICKS KIND SECONDS: false if the step lies before the first one wanted.
_s_begin() {
  [ "$1" -ge "$_s_from" ] || return 1
  [ ! -e "$_s_f.gone" ] || exit
  echo "b $*" >>"$_s_f.log"
  _s_k=$1
}

# _s_done STATUS CHANGED [KIND]: note the outcome; a failure ends the batch.
_s_done() {
  echo "r $_s_k $1 $2" >>"$_s_f.log"
  [ "$1" = 0 ] || [ "$3" = may ] || _s_over
}

_s_over() {
  : >"$_s_f.over"
  exit 0
}

# _s_eval TEXT [EXPORTS]: run a text, captured.
_s_eval() {
  (
    umask 022
    eval "$2"
    _s_text=$1
    set --
    eval "$_s_text"
  ) >"$_s_f.${_s_k}o" 2>"$_s_f.${_s_k}e" </dev/null 9>&-
}

# _s_test TEXT: whether a condition holds.
_s_test() {
  ( umask 022; _s_text=$1; set --; eval "$_s_text" ) >/dev/null 2>&1 </dev/null 9>&-
}

# _s_ask STEP TICKS KIND SECONDS TEXT
_s_ask() {
  _s_begin "$1" "$2" "$3" "$4" || return 0
  _s_eval "$5"
  _s_done $? 0 "$3"
}

# _s_do STEP TICKS SECONDS TEXT GUARD EXPORTS
_s_do() {
  _s_begin "$1" "$2" do "$3" || return 0
  if [ -n "$5" ] && _s_test "$5"; then _s_done 0 0; return 0; fi
  _s_eval "$4" "$6"
  _s_done $? 1
}

# _s_wait STEP TICKS SECONDS EVERY CONDITION: the clock is watched from outside. The try that it ends may have said nothing yet, so
# the last words of the one before are kept.
_s_wait() {
  _s_begin "$1" "$2" wait "$3" || return 0
  : >"$_s_f.kept"
  until _s_eval "$5"; do
    [ ! -s "$_s_f.${1}e" ] || mv -f "$_s_f.${1}e" "$_s_f.kept" 9>&-
    sleep "$4" 9>&-
  done
  _s_done 0 0
}

# _s_diagnose STEP TICKS TEXT: only after that step's time was over.
_s_diagnose() {
  [ "$1" = "$_s_diag" ] || return 0
  echo "b $1 $2 wait $2" >>"$_s_f.log"
  ( umask 022; _s_text=$3; set --; eval "$_s_text" ) >>"$_s_f.${1}e" 2>&1 </dev/null 9>&-
}

# _s_equal SUMS MODES PATHS...: whether all these files have the wanted content, type, mode and owner.
# MODES is a shell pattern for what stat prints.
_s_equal() {
  _s_sums=$1 _s_modes=$2
  shift 2
  for _s_path; do [ -f "$_s_path" ] || return 1; done
  # shellcheck disable=SC2254
  eval 'case "$(stat -c "%f %U:%G %u:%g" -- "$@" 2>/dev/null 9>&-)" in '"$_s_modes"') ;; *) return 1 ;; esac'
  sha256sum -c --status --strict - 9>&- 2>/dev/null <<_s_sums_end
$_s_sums
_s_sums_end
}

# _s_same STEP TICKS SECONDS SUMS MODES PATHS...: one look at neighbouring files, of which STEP writes the first.
_s_same() {
  _s_same=''
  _s_begin "$1" "$2" put "$3" || return 0
  shift 3
  if _s_equal "$@"; then _s_same=yes; fi
}

# _s_put STEP TICKS SECONDS SUMS MODES PATH MODE OWNER ENCODING CONTENT TODO THEN
_s_put() {
  _s_begin "$1" "$2" put "$3" || return 0
  _s_home=${6%/*}
  if [ -z "${11}" ] || [ ! -e "$_s_home/${11}" ]; then
    if [ -n "$_s_same" ] || _s_equal "$4" "$5" "$6"; then _s_done 0 0; return 0; fi
  fi
  shift 5
  _s_write "$@" 2>"$_s_f.${_s_k}e" 9>&- || { _s_done $? 0; return 0; }
  if [ -n "$7" ]; then
    _s_eval "$7" && rm -f -- "$_s_home/$6" 9>&-
  fi
  _s_done $? 1
}

# _s_write PATH MODE OWNER ENCODING CONTENT TODO: written aside, then renamed. That something must follow the change is
# remembered in a file beside it until it is done: a run that was cut off in between is not taken for finished by the next.
_s_write() {
  _s_new="$_s_home/.sloth-new"
  [ -d "$_s_home/" ] || ( umask 022; mkdir -p -- "$_s_home" ) || return
  if [ -e "$_s_new" ] || [ -L "$_s_new" ]; then rm -f -- "$_s_new" || return; fi
  _s_fill "$4" "$5" && _s_own "$3" && chmod "$2" "$_s_new" &&
    { [ -z "$6" ] || : >"$_s_home/$6"; } && mv -fT -- "$_s_new" "$1" && return 0
  _s_status=$?
  rm -f -- "$_s_new"
  return "$_s_status"
}

# noclobber: never through a link that somebody has put there.
_s_fill() (
  set -C
  case $1 in
    text) printf %s "$2" >"$_s_new" ;;
    *) : >"$_s_new" && set +C && printf %s "$2" | base64 -d >"$_s_new" ;;
  esac
)

# A file that root makes is root's already, except below a set-group-id directory.
_s_own() {
  [ "$1" = root:root ] && [ -O / ] && [ -G / ] && [ -G "$_s_new" ] && return
  chown -- "$1" "$_s_new"
}

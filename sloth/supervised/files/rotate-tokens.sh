# Other passwords for agents and for servers. Where an earlier try ended between `token rotate` and its own last line, the server may
# not run any more with the token that it has in its configuration: the new one is put there, and the restart that follows uses it.
umask 077
if systemctl is-active -q @UNIT@; then
  awk -F, -v OFS=, 'NR == FNR {new = $0; next} $2 == "node" {$1 = new} {print}' @AGENT@ @PASSWORDS@ >@PASSWORDS@.new &&
    grep -q ',node,' @PASSWORDS@.new && mv @PASSWORDS@.new @PASSWORDS@ && @ROTATE@ >/dev/null || exit 1
fi
cp @FULL@ @SERVER@.new && mv @SERVER@.new @SERVER@ && echo '@ID@ made' >@NOTE@

# Brings a backup to a folder of this node, where another machine's file system is mounted. Aside first, then under its name.
name=$1 folder=$2 to=@FOLDER@
[ -d "$to" ] || { echo "backup: $to is not there: is it mounted?" >&2; exit 1; }
put() { cp "$1" "$to/.${1##*/}.part" && sync "$to/.${1##*/}.part" && mv -fT "$to/.${1##*/}.part" "$to/${1##*/}" || { rm -f "$to/.${1##*/}.part"; exit 1; }; }
put "$folder/$name.tar.gz.cms" && put "$folder/$name.json"

#!/bin/sh
# Remove what floor_up.sh made. usage: floor_down.sh NAME
set -eu
docker ps -aq --filter "label=sloth.floor=$1" | xargs -r docker rm -fv > /dev/null
docker network ls -q --filter "label=sloth.floor=$1" | xargs -r docker network rm > /dev/null
rm -f "/tmp/$1-"*

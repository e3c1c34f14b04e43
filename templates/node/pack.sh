# Run in the container that becomes the node image, after images were imported. Snapshots of image layers are only
# ever read: they stay in the image, once for all nodes, and each node's own store holds a link to them. An overlay
# may lie under another overlay, only not on top of one.
set -eu
# The collector drops the last import's layers only some time later.
ctr -n k8s.io content prune references >/dev/null
kill "$(pidof containerd)"
while pidof containerd >/dev/null; do sleep 0.1; done

store=/bake/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots
kept=/usr/share/sloth/snapshots
# Each containerd makes its own id.
rm -f /bake/containerd/io.containerd.grpc.v1.introspection/uuid

# Deleted files of a layer are character devices 0:0 or extended attributes; Docker's layers would lose both.
odd() {
    find "$1" -type c | grep -q . && return 0
    python3 - "$1" <<'PY'
import os, sys
for folder, _, _ in os.walk(sys.argv[1]):
    if "trusted.overlay.opaque" in os.listxattr(folder, follow_symlinks=False):
        sys.exit(0)
sys.exit(1)
PY
}

for snapshot in "$store"/*; do
    name=$(basename "$snapshot")
    if odd "$snapshot"; then
        tar --create --file "$kept/$name.tar" --directory "$snapshot" --xattrs --xattrs-include='*' --numeric-owner .
        rm -rf "$snapshot"
    else
        cp -a "$snapshot" "$kept/$name"
        rm -rf "$snapshot"
        ln -s "$kept/$name" "$snapshot"
    fi
done
rm -rf /var/lib/containerd
cp -a /bake/containerd /var/lib/containerd
rm -rf /run/containerd

# Run in the container that becomes the node image, before images are imported: containerd on the volume at /bake
# (a snapshot cannot be written on Docker's own overlay).
set -eu
mkdir -p /bake/containerd
printf 'version = 3\nroot = "/bake/containerd"\nstate = "/run/containerd"\n' >/bake/config.toml
containerd --config /bake/config.toml >/bake/log 2>&1 &
for _ in $(seq 100); do
    ctr version >/dev/null 2>&1 && exit 0
    sleep 0.1
done
tail -n 20 /bake/log >&2
exit 1

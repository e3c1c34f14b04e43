"""A `docker` command over a JSON file: what provider `local` may ask of it, and nothing else.

Exit 97 and a line in `unexpected` for any argument that it does not know. `calls` lists every call.
"""

import fcntl
import io
import json
import os
import re
import sys
import tarfile
import uuid

STATE = os.environ["FAKE_DOCKER"]
FLAGS = {"--privileged", "--interactive", "--rm", "--quiet", "--force", "--volumes", "--all", "--no-trunc", "-W", "-db", "-i"}
VALUES = {
    "--name", "--hostname", "--network", "--ip", "--publish", "--tmpfs", "--mount", "--label", "--cap-add", "--cap-drop",
    "--security-opt", "--device-cgroup-rule", "--device", "--stop-signal", "--entrypoint", "--user", "--filter", "--format",
    "--change", "--driver", "--subnet", "--gateway", "--signal", "--tail", "--tag",
}  # fmt: skip


class Unexpected(Exception):
    pass


def parse(words):
    options, rest = {}, []
    words = list(words)
    while words:
        word = words.pop(0)
        if rest:
            rest.append(word)
        elif word.startswith("--") and "=" in word:
            options.setdefault(word.split("=")[0], []).append(word.split("=", 1)[1])
        elif word in FLAGS:
            options[word] = [True]
        elif word in VALUES:
            options.setdefault(word, []).append(words.pop(0))
        elif word.startswith("-") and word != "-":
            raise Unexpected(word)
        else:
            rest.append(word)
    return options, rest


def labels_of(options):
    return dict(item.split("=", 1) for item in options.get("--label", []))


def matches(labels, options):
    for item in options.get("--filter", []):
        key, _, value = item.removeprefix("label=").partition("=")
        if key not in labels or (value and labels[key] != value):
            return False
    return True


def render(template, item):
    def value(match):
        expression = match[1]
        label = re.fullmatch(r'\(\.Label "(.+)"\)', expression)
        return json.dumps(item["labels"].get(label[1], "") if label else item[{".ID": "id", ".State": "state"}[expression]])

    return re.sub(r"{{json (.+?)}}", value, template)


def fail(text, status=1):
    sys.stderr.write(text + "\n")
    raise SystemExit(status)


def find(state, key):
    for item in state["containers"]:
        if key in (item["id"], item["name"]):
            return item
    return fail(f"Error response from daemon: No such container: {key}")


def ps(state, options, rest):
    template = options["--format"][0]
    return "\n".join(render(template, item) for item in state["containers"] if matches(item["labels"], options))


def create(state, options, rest):
    name, image = options["--name"][0], rest[0]
    if image not in state["images"]:
        fail(f"No such image: {image}")
    if any(item["name"] == name for item in state["containers"]):
        fail(f"the container name {name} is in use")
    item = {
        "id": uuid.uuid4().hex * 2, "name": name, "state": "created", "image": image, "files": {}, "options": options,
        "labels": {**state["images"][image], **labels_of(options)}, "command": rest[1:],
    }  # fmt: skip
    state["containers"].append(item)
    for mount in options.get("--mount", []):
        fields = dict(part.split("=", 1) for part in mount.split(","))
        label = fields["volume-label"].split("=", 1)
        state["volumes"].append({"name": uuid.uuid4().hex * 2, "labels": {label[0]: label[1]}, "owner": item["id"]})
    return item["id"]


def cp(state, options, rest):
    source, target = rest
    if source == "-":
        item = find(state, target.removesuffix(":/"))
        with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as tar:
            for member in tar:
                content = tar.extractfile(member).read()
                if len(content) < 100_000:
                    item["files"][member.name] = [content.decode(), member.mode]
        return ""
    name, path = source.split(":/")
    item = find(state, name)
    if path not in item["files"]:
        fail("no such file")
    data = item["files"][path][0].encode()
    info = tarfile.TarInfo(os.path.basename(path))
    info.size = len(data)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        tar.addfile(info, io.BytesIO(data))
    return None


def start(state, options, rest):
    item = find(state, rest[0])
    for port in item["options"].get("--publish", []):
        number = int(port.split(":")[1])
        if number in state["busy_ports"]:
            fail(f"Bind for 127.0.0.1:{number} failed: port is already allocated")
    if item["name"] in state["stillborn"]:
        item["state"] = "exited"
    else:
        item["state"] = "running"
    return rest[0]


def rm(state, options, rest):
    for key in rest:
        item = find(state, key)
        state["containers"].remove(item)
        if "--volumes" in options:
            state["volumes"] = [volume for volume in state["volumes"] if volume["owner"] != item["id"]]
    return ""


def unpause(state, options, rest):
    find(state, rest[0])["state"] = "running"
    return ""


def kill(state, options, rest):
    find(state, rest[0]).setdefault("signals", []).append(options["--signal"][0])
    return ""


def logs(state, options, rest):
    return "the last words"


def info(state, options, rest):
    template = options["--format"][0]
    return state["cgroup"] if "Cgroup" in template else state["mirrors"]


def network(state, options, rest):
    verb, *rest = rest
    options, rest = parse(rest)
    nets = state["networks"]
    if verb == "create":
        if options["--subnet"][0] in state["foreign"]:
            fail("Pool overlaps with other one on this address space")
        if state["network_fault"]:
            fail(state["network_fault"])
        nets.append({"name": rest[0], "subnet": options["--subnet"][0], "labels": labels_of(options)})
    elif verb == "ls":
        return "\n".join(net["name"] for net in nets if matches(net["labels"], options))
    elif verb == "inspect":
        return "\n".join(json.dumps([{"Subnet": net["subnet"]}]) for net in nets if net["name"] in rest)
    elif verb == "rm":
        state["networks"] = [net for net in nets if net["name"] not in rest]
    else:
        raise Unexpected(verb)
    return ""


def volume(state, options, rest):
    verb, *rest = rest
    options, rest = parse(rest)
    if verb == "ls":
        return "\n".join(item["name"] for item in state["volumes"] if matches(item["labels"], options))
    if verb == "rm":
        state["volumes"] = [item for item in state["volumes"] if item["name"] not in rest]
        return ""
    raise Unexpected(verb)


def image(state, options, rest):
    verb, *rest = rest
    _, rest = parse(rest)
    if rest[0] not in state["images"]:
        fail(f"No such image: {rest[0]}")
    if verb == "inspect":
        return json.dumps(state["images"][rest[0]])
    if verb == "rm":
        del state["images"][rest[0]]
        return ""
    raise Unexpected(verb)


def build(state, options, rest):
    folder = rest[0]
    if sorted(os.listdir(folder)) != ["Dockerfile", "packages.txt"]:
        raise Unexpected(folder)
    if state["build_fault"]:
        fail(state["build_fault"])
    state["images"][options["--tag"][0]] = {}
    return ""


def import_(state, options, rest):
    state["imported"] = len(sys.stdin.buffer.read())
    if state["import_fault"]:
        fail(state["import_fault"])
    state["images"][rest[1]] = {}
    return ""


def tag(state, options, rest):
    state["images"][rest[1]] = state["images"][rest[0]]
    return ""


def run(state, options, rest):
    if options["--entrypoint"] == ["true"]:
        if "--privileged" in options and not state["privileged"]:
            fail("unable to apply caps: operation not permitted", 125)
        return ""
    raise Unexpected("run")


def exec_(state, options, rest):
    name, *command = rest
    item = find(state, name)
    if command == ["true"]:
        return ""
    if command == ["sh", "-s"]:
        item.setdefault("programs", []).append(sys.stdin.read().splitlines()[0])
        return ""
    if command[:4] != ["ctr", "-n", "k8s.io", "images"]:
        raise Unexpected(" ".join(command))
    if command[4] == "import":
        item.setdefault("refs", []).append(sys.stdin.read().strip())
        return ""
    return "\n".join(item["refs"])


def commit(state, options, rest):
    item = find(state, rest[0])
    words = " ".join(options["--change"]).split()
    state["images"][rest[1]] = {**item["labels"], **dict(word.split("=", 1) for word in words if word.startswith("sloth."))}
    state["baked"] = item
    return ""


VERBS = {
    "ps": ps, "create": create, "cp": cp, "start": start, "rm": rm, "unpause": unpause, "kill": kill, "logs": logs,
    "info": info, "network": network, "volume": volume, "image": image, "build": build, "import": import_, "tag": tag,
    "run": run, "exec": exec_, "commit": commit,
}  # fmt: skip


def change(act):
    with open(STATE + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(STATE) as handle:
            state = json.load(handle)
        try:
            return act(state)
        finally:
            with open(STATE, "w") as handle:
                json.dump(state, handle)


def oven(options, rest):
    """A container that lives as long as its stdin."""

    def begin(state):
        state["calls"].append(["run", *options["--name"]])
        if state["oven_fault"]:
            fail(state["oven_fault"], 125)
        item = {
            "id": uuid.uuid4().hex, "name": options["--name"][0], "state": "running", "image": rest[0], "files": {},
            "labels": labels_of(options), "options": options,
        }  # fmt: skip
        state["containers"].append(item)

    change(begin)
    sys.stdin.buffer.read()
    name = options["--name"][0]
    change(lambda state: state.update(containers=[c for c in state["containers"] if c["name"] != name]))


def main():
    verb, *words = sys.argv[1:]
    options, rest = parse(words)
    if verb == "run" and "--interactive" in options:
        return oven(options, rest)

    def act(state):
        state["calls"].append([verb, *words])
        try:
            if state["engine_fault"]:
                fail(state["engine_fault"])
            return VERBS[verb](state, options, rest)
        except (Unexpected, KeyError) as error:
            state["unexpected"].append(f"{' '.join(sys.argv[1:])}: {error!r}")
            return fail(f"unexpected: {error!r}", 97)

    answer = change(act)
    if answer is not None:
        print(answer)
    return None


main()

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from sloth.adapters.artifacts import oci
from sloth.adapters.artifacts.registry_pull import parse, pull
from sloth.adapters.artifacts.upstream import Upstream, published
from sloth.errors import MachinesError
from sloth.model.artifact import Need
from tests.unit.adapters.artifacts.web import redirect, reply, running


def sha(data):
    return hashlib.sha256(data).hexdigest()


def tar_gz(**files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        link = tarfile.TarInfo("bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return out.getvalue()


@pytest.fixture
def upstream(store, events, http):
    return Upstream(store, events.append, http=http)


def plain(web, name="kubelet"):
    return Need(
        name=name, version="v1.2.3", kind="binary", path=f"/usr/local/bin/{name}",
        url=web.url + "/{version}/bin/linux/{arch}/" + name,
        checksum_url=web.url + "/{version}/bin/linux/{arch}/" + name + ".sha256",
    )  # fmt: skip


def packed(web, member):
    base = web.url + "/{version}/thing-{number}-{arch}.tar.gz"
    return Need(name="thing", version="v2.0", kind="binary", url=base, checksum_url=f"{base}.sha256sum", member=member)


def test_a_binary_with_its_published_digest(web, upstream, events):
    web.routes |= {"/v1.2.3/bin/linux/amd64/kubelet": b"ELF", "/v1.2.3/bin/linux/amd64/kubelet.sha256": sha(b"ELF").encode()}
    ((artifact, blob),) = upstream.fetch([plain(web)])
    assert blob.path.read_bytes() == b"ELF"
    assert (artifact.sha256, artifact.size, artifact.origin) == (sha(b"ELF"), 3, "upstream")
    assert artifact.file == "kubelet/v1.2.3/linux-amd64/kubelet"
    assert artifact.path == "/usr/local/bin/kubelet"
    assert events[-1].kind == "progress"
    assert (events[-1].done, events[-1].total) == (3, 3)


def test_what_is_here_already_is_not_fetched_again(web, upstream):
    web.routes |= {"/v1.2.3/bin/linux/amd64/kubelet": b"ELF", "/v1.2.3/bin/linux/amd64/kubelet.sha256": sha(b"ELF").encode()}
    upstream.fetch([plain(web)])
    upstream.fetch([plain(web)])
    assert web.paths().count("/v1.2.3/bin/linux/amd64/kubelet") == 1


def test_a_digest_other_than_the_published_one(web, upstream, tmp_path):
    web.routes |= {"/v1.2.3/bin/linux/amd64/kubelet": b"EVIL", "/v1.2.3/bin/linux/amd64/kubelet.sha256": sha(b"ELF").encode()}
    with pytest.raises(MachinesError) as caught:
        upstream.fetch([plain(web)])
    assert caught.value.code == "artifacts/wrong-content"
    assert not [path for path in (tmp_path / "cache/blobs").rglob("*") if path.is_file()]


def test_what_upstream_does_not_have(web, upstream):
    with pytest.raises(MachinesError) as caught:
        upstream.fetch([plain(web)])
    assert caught.value.code == "artifacts/not-upstream"
    assert "kubelet v1.2.3" in caught.value.summary


def test_members_of_one_archive_are_fetched_once(web, upstream):
    archive = tar_gz(bin__one=b"1", bin__two=b"22")
    web.routes |= {"/v2.0/thing-2.0-amd64.tar.gz": archive}
    web.routes |= {"/v2.0/thing-2.0-amd64.tar.gz.sha256sum": f"{sha(archive)}  thing-2.0-amd64.tar.gz\n".encode()}
    found = upstream.fetch([packed(web, "bin/one"), packed(web, "./bin/two")])
    assert [blob.path.read_bytes() for _, blob in found] == [b"1", b"22"]
    assert web.paths().count("/v2.0/thing-2.0-amd64.tar.gz") == 1


@pytest.mark.parametrize("member", ["bin/absent", "bin/link"])
def test_a_member_must_be_a_file_of_the_archive(web, upstream, member):
    archive = tar_gz(bin__one=b"1")
    web.routes |= {"/v2.0/thing-2.0-amd64.tar.gz": archive, "/v2.0/thing-2.0-amd64.tar.gz.sha256sum": sha(archive).encode()}
    with pytest.raises(MachinesError) as caught:
        upstream.fetch([packed(web, member)])
    assert caught.value.code == "artifacts/not-in-archive"


def test_an_archive_that_is_none(web, upstream):
    web.routes |= {"/v2.0/thing-2.0-amd64.tar.gz": b"<html>", "/v2.0/thing-2.0-amd64.tar.gz.sha256sum": sha(b"<html>").encode()}
    with pytest.raises(MachinesError) as caught:
        upstream.fetch([packed(web, "bin/one")])
    assert caught.value.code == "artifacts/not-in-archive"


A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, A),
        (f"{A}\n", A),
        (f"{A}  x.tgz\n", A),
        (f"{A} *x.tgz\n", A),
        (f"# sums\n{B}  y.tgz\n{A}  ./x.tgz\n", A),
    ],
)
def test_ways_in_which_checksums_are_published(text, found):
    assert published(text, "https://example.com/v1/x.tgz?download=1") == found


@pytest.mark.parametrize("text", ["", "<html>", f"{B}  y.tgz\n", f"{A}\n{B}\n", A[:63]])
def test_no_checksum_no_artifact(text):
    with pytest.raises(MachinesError) as caught:
        published(text, "https://example.com/v1/x.tgz")
    assert caught.value.code == "artifacts/no-checksum"


class Registry:
    """An image in two platforms behind a token, in the shape that public registries give it."""

    def __init__(self, web, *, index=True, token=True):
        self.web, self.token = web, token
        self.layer = gzip.compress(b"layer", mtime=0)
        self.config = b'{"os":"linux"}'
        self.manifest = oci.compact({
            "schemaVersion": 2, "mediaType": oci.MANIFEST,
            "config": self.descriptor(self.config, oci.CONFIG),
            "layers": [self.descriptor(self.layer, oci.LAYER + "+gzip")],
        })  # fmt: skip
        other = {**self.descriptor(b"arm", oci.MANIFEST), "platform": {"os": "linux", "architecture": "arm64"}}
        ours = {**self.descriptor(self.manifest, oci.MANIFEST), "platform": {"os": "linux", "architecture": "amd64"}}
        self.index = oci.compact({"schemaVersion": 2, "manifests": [other, ours]})
        self.put("/v2/a/b/manifests/v1", self.index if index else self.manifest)
        self.put(f"/v2/a/b/manifests/sha256:{sha(self.manifest)}", self.manifest)
        self.put(f"/v2/a/b/blobs/sha256:{sha(self.config)}", self.config)
        self.put(f"/v2/a/b/blobs/sha256:{sha(self.layer)}", self.layer)
        web.routes["/token"] = b'{"token": "anonymous"}'
        web.routes["/v2/"] = lambda handler: reply(handler, 401)

    @staticmethod
    def descriptor(data, kind):
        return {"mediaType": kind, "digest": f"sha256:{sha(data)}", "size": len(data)}

    def put(self, path, data):
        def answer(handler):
            if self.token and handler.headers.get("Authorization") != "Bearer anonymous":
                challenge = f'Bearer realm="{self.web.url}/token",service="here",scope="repository:a/b:pull"'
                reply(handler, 401, WWW_Authenticate=challenge)
            elif callable(data):
                data(handler)
            else:
                reply(handler, 200, data, ETag='"1"')

        self.web.routes[path] = answer

    @property
    def ref(self):
        return self.web.url.removeprefix("http://") + "/a/b:v1"


@pytest.fixture
def plain_http():
    from sloth.adapters.artifacts.fetch import Http

    return Http(schemes=frozenset({"http"}), pause=0, timeout=5)


def pulled(registry, tmp_path, http, arch="amd64"):
    target = tmp_path / "image.tar"
    pull(registry.ref, target, http=http, arch=arch)
    with tarfile.open(target) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("token", [True, False])
def test_an_image_is_pulled_as_it_is(web, tmp_path, plain_http, index, token):
    registry = Registry(web, index=index, token=token)
    parts = pulled(registry, tmp_path, plain_http)
    entry = json.loads(parts["index.json"])["manifests"][0]
    assert entry["digest"] == f"sha256:{sha(registry.manifest)}"  # the image's digest stays what the registry says
    assert entry["annotations"]["io.containerd.image.name"] == registry.ref
    assert parts[f"blobs/sha256/{sha(registry.layer)}"] == registry.layer
    assert parts[f"blobs/sha256/{sha(registry.config)}"] == registry.config
    assert [path for path in web.paths() if path.startswith("/token")] == (
        ["/token?service=here&scope=repository%3Aa%2Fb%3Apull"] if token else []
    )


def test_blobs_may_be_elsewhere_and_get_no_token_there(web, tmp_path, plain_http):
    registry = Registry(web)
    with running() as cdn:
        cdn.routes["/blob"] = registry.layer
        registry.put(f"/v2/a/b/blobs/sha256:{sha(registry.layer)}", redirect(f"{cdn.url}/blob"))
        assert pulled(registry, tmp_path, plain_http)
        assert "Authorization" not in cdn.seen[0][2]


def test_two_pulls_give_the_same_archive(web, tmp_path, plain_http):
    registry = Registry(web)
    pull(registry.ref, tmp_path / "1.tar", http=plain_http, arch="amd64")
    pull(registry.ref, tmp_path / "2.tar", http=plain_http, arch="amd64")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


@pytest.mark.parametrize(
    ("where", "data"),
    [
        ("blobs/{layer}", b"evil"),
        ("blobs/{layer}", b""),
        ("blobs/{config}", b'{"os":"LINUX"}'),
        ("manifests/{manifest}", b"{}"),
        ("manifests/v1", b"<html>"),
        ("manifests/v1", b"[]"),
        ("manifests/v1", b'{"mediaType": "text/plain"}'),
        ("manifests/v1", b'{"manifests": 0, "mediaType": "%s"}' % oci.MANIFEST.encode()),
        ("manifests/v1", b'{"config": {"digest": "md5:1", "size": 1}, "layers": []}'),
    ],
)
def test_damage_is_noticed(web, tmp_path, plain_http, where, data):
    registry = Registry(web)
    digests = {name: f"sha256:{sha(getattr(registry, name))}" for name in ("layer", "config", "manifest")}
    registry.put("/v2/a/b/" + where.format(**digests), data)
    with pytest.raises(MachinesError) as caught:
        pulled(registry, tmp_path, plain_http)
    assert caught.value.code == "artifacts/image-damaged"
    assert registry.ref in caught.value.summary
    assert list(tmp_path.iterdir()) == []


def test_no_image_for_that_architecture(web, tmp_path, plain_http):
    with pytest.raises(MachinesError) as caught:
        pulled(Registry(web), tmp_path, plain_http, arch="riscv64")
    assert caught.value.code == "artifacts/no-platform"


def test_a_registry_that_wants_a_password(web, store, events, plain_http):
    need = Need(name="b", version="v1", kind="image", ref=web.url.removeprefix("http://") + "/a/b:{version}")
    web.routes["/v2/a/b/manifests/v1"] = lambda handler: reply(handler, 401, WWW_Authenticate='Basic realm="x"')
    with pytest.raises(MachinesError) as caught:
        Upstream(store, events.append, http=plain_http).fetch([need])
    assert caught.value.code == "artifacts/not-upstream"
    assert "401" in caught.value.summary


def test_an_image_in_the_store(web, store, events, plain_http):
    registry = Registry(web)
    need = Need(name="b", version="v1", kind="image", ref=registry.ref.replace(":v1", ":{version}"))
    ((artifact, blob),) = Upstream(store, events.append, http=plain_http).fetch([need])
    assert artifact.ref == registry.ref
    assert artifact.file == "b/v1/linux-amd64/b.tar"
    assert tarfile.is_tarfile(blob.path)


def test_reachable_means_every_server(web, store, events, plain_http):
    registry = Registry(web)
    upstream = Upstream(store, events.append, http=plain_http)
    image = Need(name="b", version="v1", kind="image", ref=registry.ref)
    assert upstream.reachable([image], 2)
    assert not upstream.reachable([image, plain(web)], 2)
    web.routes["/v1.2.3/bin/linux/amd64/kubelet.sha256"] = b"x"
    assert upstream.reachable([image, plain(web)], 2)


@pytest.mark.parametrize("ref", ["kube-proxy", "a/b:1", "registry.k8s.io/x", "registry.k8s.io:443"])
def test_what_is_no_full_reference(ref):
    with pytest.raises(ValueError, match="HOST/NAME:TAG"):
        parse(ref)


def test_references():
    name = parse("registry.k8s.io/coredns/coredns:v1.2")
    assert (name.host, name.repository, name.tag) == ("registry.k8s.io", "coredns/coredns", "v1.2")
    assert parse("localhost/x:1").host == "localhost"

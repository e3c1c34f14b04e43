"""Where manifests come from: folders, stdin, web addresses, and what other tools render."""

import hashlib
import http.server
import sys
import textwrap
import threading

import pytest

from sloth.adapters.manifests.download import LIMIT, download
from sloth.adapters.manifests.rendered import Chart, helm, kustomize
from sloth.adapters.manifests.sources import Sources
from sloth.errors import KubernetesError, UsageError
from sloth.kube.applying.manifests import read

TEXT = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def web():
    """A web server of this test's own: `web.pages[path] = body`; gives 404 for anything else."""
    pages = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.url = pages, f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """`tool(name, program)`: a program of this name, alone on PATH, whose command line is the variable `words`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def made(name, program):
        path = folder / name
        path.write_text(f"#!{sys.executable}\nimport sys\nwords = sys.argv[1:]\n{textwrap.dedent(program)}")
        path.chmod(0o755)
        return path

    return made


def test_a_folder_is_read_with_all_below_it_by_path(tmp_path):
    for name in ("b.yaml", "a/z.yml", "a/deep/x.json", "a/README.md", ".git/no.yaml", "a/.hidden.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    found = Sources([str(tmp_path)]).read()
    assert [text.decode() for _, text in found] == ["a/deep/x.json", "a/z.yml", "b.yaml"]
    assert [name for name, _ in found] == [str(tmp_path / text.decode()) for _, text in found]


def test_files_keep_the_order_in_which_they_are_named(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_bytes(name.encode())
    assert [text for _, text in Sources([str(tmp_path / "b.yaml"), str(tmp_path / "a.yaml")]).read()] == [b"b", b"a"]


@pytest.mark.parametrize(("name", "hint"), [("kustomization.yaml", "--kustomize"), ("Chart.yaml", "--helm")])
def test_a_folder_of_another_tool_is_not_taken_for_manifests(tmp_path, name, hint):
    (tmp_path / name).write_text("x: 1")
    with pytest.raises(UsageError) as caught:
        Sources([str(tmp_path)]).read()
    assert (caught.value.code, caught.value.hint) == ("kube/other-source", f"{hint} {tmp_path}")


def test_nothing_to_read_is_a_failure(tmp_path):
    for sources in (Sources(), Sources([str(tmp_path)]), Sources([str(tmp_path / "none.yaml")])):
        with pytest.raises(UsageError) as caught:
            sources.read()
        assert caught.value.code == "kube/no-file"


def test_an_address_is_fetched_and_held_against_its_checksum(web):
    web.pages["/a.yaml"] = TEXT
    url = f"{web.url}/a.yaml"
    digest = hashlib.sha256(TEXT).hexdigest()
    assert Sources([url], digests=[digest.upper()]).read() == [(url, TEXT)]
    assert download(url, plain_http=True) == TEXT
    web.pages["/a.yaml"] = TEXT + b"# changed"
    with pytest.raises(KubernetesError) as caught:
        Sources([url], digests=[digest]).read()
    assert caught.value.code == "kube/checksum"
    assert digest in caught.value.detail


def test_an_unencrypted_address_needs_a_word_or_a_checksum(web):
    web.pages["/a.yaml"] = TEXT
    with pytest.raises(UsageError) as caught:
        download(f"{web.url}/a.yaml")
    assert caught.value.code == "kube/plain-http"


def test_what_is_not_there_or_too_large_is_a_failure(web):
    web.pages["/large"] = b" " * (LIMIT + 1)
    for path, why in (("/none", "404"), ("/large", "")):
        with pytest.raises(KubernetesError) as caught:
            download(web.url + path, plain_http=True)
        assert caught.value.code == "kube/download"
        assert why in caught.value.detail


def test_each_address_has_its_own_checksum():
    with pytest.raises(UsageError) as caught:
        Sources(["https://a.test/x", "https://a.test/y"], digests=["00"]).read()
    assert caught.value.code == "kube/checksum"


def test_kustomize_builds_a_folder(tool, tmp_path):
    tool("kustomize", "assert words == ['build', 'overlay'], words\nprint('kind: A')")
    assert kustomize("overlay") == ("kustomize overlay", b"kind: A\n")


def test_kubectl_serves_where_there_is_no_kustomize(tool):
    tool("kubectl", "assert words == ['kustomize', 'overlay'], words\nprint('kind: B')")
    assert kustomize("overlay")[1] == b"kind: B\n"


def test_helm_renders_a_chart_without_its_hooks(tool):
    wanted = [
        "template", "web", "./chart", "--include-crds", "--no-hooks", "--skip-tests", "--namespace", "shop", "--version", "1.2.3",
        "--values", "a.yaml", "--values", "b.yaml", "--set", "x=1",
    ]  # fmt: skip
    tool("helm", f"assert words == {wanted!r}, words\nassert not sys.stdin.read()\nprint('kind: C')")
    assert helm(Chart("./chart", "web", "shop", "1.2.3", ["a.yaml", "b.yaml"], ["x=1"])) == ("helm ./chart", b"kind: C\n")


def test_a_tool_that_is_missing_is_named(tool):
    for render in (lambda: kustomize("x"), lambda: helm(Chart("x", "y"))):
        with pytest.raises(KubernetesError) as caught:
            render()
        assert caught.value.code == "kube/no-tool"
        assert "--filename -" in caught.value.hint


def test_what_a_tool_says_when_it_fails_is_shown(tool):
    tool("helm", "print('half a manifest')\nsys.exit('Error: values.yaml:3: bad')")
    with pytest.raises(KubernetesError) as caught:
        helm(Chart("./chart", "web"))
    assert (caught.value.code, caught.value.summary) == ("kube/render", "`helm template web` failed")
    assert "values.yaml:3: bad" in caught.value.detail


@pytest.mark.kube
def test_the_real_kubectl_builds_a_kustomize_folder(tmp_path, monkeypatch, kubectl_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl").symlink_to(kubectl_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = tmp_path / "overlay"
    folder.mkdir()
    (folder / "a.yaml").write_bytes(TEXT)
    (folder / "kustomization.yaml").write_text("resources: [a.yaml]\nnamePrefix: pre-\nnamespace: shop\n")
    manifests = read(Sources(kustomize=[str(folder)]).read())
    assert [(each.kind, each.namespace, each.name) for each in manifests] == [("v1/ConfigMap", "shop", "pre-a")]
    (folder / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    with pytest.raises(KubernetesError) as caught:
        Sources(kustomize=[str(folder)]).read()
    assert "missing.yaml" in caught.value.detail


def test_on_the_command_line(run, client, space, tool, tmp_path):
    tool("kubectl", f"assert words == ['kustomize', 'overlay'], words\nprint({TEXT.decode()!r})")
    wanted = ["template", "app", "chart", "--include-crds", "--no-hooks", "--skip-tests", "--namespace", space]
    other = TEXT.decode().replace("name: a", "name: b")
    tool("helm", f"assert words == {wanted!r}, words\nprint({other!r})")
    words = ("-k", "overlay", "--helm", "chart", "--set", "app", "--namespace", space)
    code, _, err = run("apply", *words, "-f", "-", stdin=TEXT.decode().replace("name: a", "name: c"))
    assert code == 0, err
    assert {"a", "b", "c"} <= {item["metadata"]["name"] for item in client.list("cm", space)}
    code, _, err = run("apply", "-f", "http://127.0.0.1:9/x.yaml")
    assert code == 2
    assert "kube/plain-http" in err

"""`sloth kube` as a test calls it."""

import yaml
from typer.testing import CliRunner

from sloth.cli.main import app


def command(connection, space, folder, monkeypatch):
    """`run("scale", …)`: `sloth kube` in that namespace of that server: exit code, stdout, stderr."""
    cluster = {"server": connection.server}
    if connection.ca:
        (folder / "ca.crt").write_bytes(connection.ca)
        cluster |= {"certificate-authority": "ca.crt", "tls-server-name": connection.tls_server_name}
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": connection.token.reveal()}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": space}}],
    }  # fmt: skip
    (folder / "config").write_text(yaml.safe_dump(document))
    for name, value in (("KUBECONFIG", "config"), ("SLOTH_CACHE_DIR", "cache"), ("SLOTH_STATE_DIR", "state")):
        monkeypatch.setenv(name, str(folder / value))
    monkeypatch.chdir(folder)

    def words(*words, stdin=""):
        done = CliRunner().invoke(app, ["kube", *words], input=stdin)
        assert not done.exception or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return words

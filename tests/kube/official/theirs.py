"""The corpus by the official client. Runs in an environment that has `kubernetes` and nothing of ours: `theirs.py CONFIG SPACE`.

CONFIG is JSON: url, token, ca (a file or nothing). For each call one line of JSON on stdout: its name, and its result or its
failure. The header X-Case says which call a request belongs to.
"""

import json
import sys

from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

STRICT = {"field_manager": "check", "field_validation": "Strict"}
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
GROUP = ("sloth.test", "v1")


def corpus(api, space, things):
    """(name, call) in their order; `things` are the bodies, the same for both clients."""
    core, apps, custom = client.CoreV1Api(api), client.AppsV1Api(api), client.CustomObjectsApi(api)
    access, who = client.AuthorizationV1Api(api), client.AuthenticationV1Api(api)
    options = client.V1DeleteOptions
    token = []

    def first_page():
        page = core.list_namespaced_config_map(space, limit=2, label_selector="mine=1")
        token.append(page.metadata._continue)
        return page

    def watched():
        """From a version on, so that what happened since is told first."""
        version = core.list_namespaced_config_map(space, limit=500, label_selector="mine=1").metadata.resource_version
        core.patch_namespaced_config_map("c1", space, {"data": {"n": "9"}}, _content_type=MERGE, **STRICT)
        seen = watch.Watch()
        for event in seen.stream(
            core.list_namespaced_config_map, space, label_selector="mine=1", resource_version=version, timeout_seconds=60,
            allow_watch_bookmarks=True,
        ):  # fmt: skip
            if event["type"] != "BOOKMARK":
                seen.stop()
                return [event["type"], event["object"].metadata.name]

    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="delete", group="apps", resource="deployments", namespace=space)
        )
    )
    path = client.V1NonResourceAttributes(verb="get", path="/metrics")
    path_review = client.V1SelfSubjectAccessReview(spec=client.V1SelfSubjectAccessReviewSpec(non_resource_attributes=path))
    return [
        ("create", lambda: core.create_namespaced_config_map(space, things["c1"], **STRICT)),
        ("create another", lambda: core.create_namespaced_config_map(space, things["c2"], **STRICT)),
        ("create a third", lambda: core.create_namespaced_config_map(space, things["c3"], **STRICT)),
        ("create, tried only", lambda: core.create_namespaced_config_map(space, things["dry"], dry_run="All", **STRICT)),
        ("create what is there", lambda: core.create_namespaced_config_map(space, things["c1"], **STRICT)),
        ("create in no namespace", lambda: core.create_namespaced_config_map("no-such-namespace", things["c1"], **STRICT)),
        ("get", lambda: core.read_namespaced_config_map("c1", space)),
        ("get what is not there", lambda: core.read_namespaced_config_map("nothing", space)),
        ("get of the whole cluster", lambda: core.read_namespace(space)),
        ("list", lambda: core.list_namespaced_config_map(space, limit=500, label_selector="mine=1")),
        ("list by fields", lambda: core.list_namespaced_config_map(space, limit=500, field_selector="metadata.name=c2")),
        ("list by a set of labels", lambda: core.list_namespaced_config_map(space, limit=500, label_selector="n in (1,2),mine")),
        ("list everywhere", lambda: core.list_config_map_for_all_namespaces(limit=500, label_selector=f"of={space}")),
        ("list a wrong selector", lambda: core.list_namespaced_config_map(space, limit=500, label_selector="a in")),
        ("first page", first_page),
        ("second page", lambda: core.list_namespaced_config_map(space, limit=2, label_selector="mine=1", _continue=token[0])),
        (
            "merge patch",
            lambda: core.patch_namespaced_config_map("c1", space, {"data": {"n": "2"}}, _content_type=MERGE, **STRICT),
        ),
        (
            "JSON patch",
            lambda: core.patch_namespaced_config_map(
                "c1", space, [{"op": "add", "path": "/data/m", "value": "é"}], _content_type=JSON_PATCH, **STRICT
            ),
        ),
        (
            "JSON patch that does not fit",
            lambda: core.patch_namespaced_config_map(
                "c1", space, [{"op": "test", "path": "/data/m", "value": "x"}], _content_type=JSON_PATCH, **STRICT
            ),
        ),
        ("create a Deployment", lambda: apps.create_namespaced_deployment(space, things["web"], **STRICT)),
        (
            "strategic patch",
            lambda: apps.patch_namespaced_deployment("web", space, things["side"], _content_type=STRATEGIC, **STRICT),
        ),
        ("read a scale", lambda: apps.read_namespaced_deployment_scale("web", space)),
        (
            "scale",
            lambda: apps.patch_namespaced_deployment_scale(
                "web", space, {"spec": {"replicas": 3}}, _content_type=MERGE, field_manager="check"
            ),
        ),
        (
            "scale, tried only",
            lambda: apps.patch_namespaced_deployment_scale(
                "web", space, {"spec": {"replicas": 7}}, _content_type=MERGE, field_manager="check", dry_run="All"
            ),
        ),
        (
            "patch a status",
            lambda: apps.patch_namespaced_deployment_status(
                "web", space, {"status": {"observedGeneration": 1}}, _content_type=MERGE, **STRICT
            ),
        ),
        ("apply", lambda: core.patch_namespaced_config_map("c4", space, things["c4"], _content_type=APPLY, **STRICT)),
        (
            "apply what others own",
            lambda: core.patch_namespaced_config_map(
                "c4", space, things["c4 of others"], _content_type=APPLY, field_manager="other", field_validation="Strict"
            ),
        ),
        (
            "apply by force",
            lambda: core.patch_namespaced_config_map(
                "c4",
                space,
                things["c4 of others"],
                _content_type=APPLY,
                field_manager="other",
                field_validation="Strict",
                force=True,
            ),
        ),
        ("replace an old version", lambda: core.replace_namespaced_config_map("c1", space, things["old"], **STRICT)),
        ("replace", lambda: core.replace_namespaced_config_map("c1", space, things["c1"], **STRICT)),
        (
            "create a custom object",
            lambda: custom.create_namespaced_custom_object(*GROUP, space, "widgets", things["widget"], **STRICT),
        ),
        ("list custom objects", lambda: custom.list_namespaced_custom_object(*GROUP, space, "widgets", limit=500)),
        (
            "delete a custom object",
            lambda: custom.delete_namespaced_custom_object(
                *GROUP, space, "widgets", "w", body=options(propagation_policy="Background")
            ),
        ),
        ("may I", lambda: access.create_self_subject_access_review(review)),
        ("may I read a path", lambda: access.create_self_subject_access_review(path_review)),
        (
            "whose token",
            lambda: who.create_token_review(client.V1TokenReview(spec=client.V1TokenReviewSpec(token="no-token"))),
        ),
        (
            "log",
            lambda: core.read_namespaced_pod_log(
                "web-0", space, container="app", tail_lines=2, timestamps=False, since_seconds=3600
            ),
        ),
        ("log of the run before", lambda: core.read_namespaced_pod_log("web-0", space, container="app", previous=True)),
        ("watch", watched),
        (
            "delete, tried only",
            lambda: core.delete_namespaced_config_map(
                "c3", space, body=options(propagation_policy="Background", dry_run=["All"])
            ),
        ),
        (
            "delete another one",
            lambda: core.delete_namespaced_config_map(
                "c3", space, body=options(propagation_policy="Background", preconditions=client.V1Preconditions(uid="another"))
            ),
        ),
        (
            "delete",
            lambda: core.delete_namespaced_config_map(
                "c3", space, body=options(propagation_policy="Foreground", grace_period_seconds=0)
            ),
        ),
        (
            "delete what is not there",
            lambda: core.delete_namespaced_config_map("c3", space, body=options(propagation_policy="Background")),
        ),
    ]


def main(settings, space, things):
    """Every call, in its order."""
    config = client.Configuration(host=settings["url"])
    config.api_key["authorization"] = f"Bearer {settings['token']}"
    config.ssl_ca_cert = settings["ca"] or None
    api = client.ApiClient(config)
    for name, call in corpus(api, space, things):
        api.set_default_header("X-Case", name.encode("ascii", "replace").decode())
        try:
            said = {"result": api.sanitize_for_serialization(call())}
        except ApiException as error:
            try:
                status = json.loads(error.body)
            except ValueError:
                status = {}
            said = {"status": error.status, "reason": status.get("reason", ""), "message": status.get("message", error.body)}
        print(json.dumps({"name": name, **said}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], json.load(sys.stdin))

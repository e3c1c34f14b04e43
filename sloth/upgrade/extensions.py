"""What others have put into the API servers' way, and what the distribution itself runs in kube-system: asked, read, judged.

A webhook whose `failurePolicy` is Fail refuses what it is called for while nobody answers behind it (Kubernetes documentation,
"Dynamic Admission Control", "Failure policy"); if that is pods, no drained pod comes back. An API service that is not Available
makes discovery of its group fail, and with it namespaces cannot be deleted ("Kubernetes API Aggregation Layer").
kubectl's JSONPath ends in an error at a range in a range that is empty, so webhooks are printed by a Go template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sloth.upgrade.finding import Finding, blocks, warns

_AVAILABLE = '.status.conditions[?(@.type=="Available")]'
_SERVICE = f'{{.metadata.name}}{{"\\t"}}{{.spec.service.name}}{{"\\t"}}{{{_AVAILABLE}.status}}{{"\\t"}}{{{_AVAILABLE}.reason}}'
_HOOK = (
    '{{.name}}{{"\\t"}}{{.failurePolicy}}{{"\\t"}}{{with .clientConfig.service}}{{.namespace}}/{{.name}}{{end}}{{"\\t"}}'
    '{{if or .namespaceSelector .objectSelector}}some{{else}}all{{end}}{{"\\t"}}'
    "{{range .rules}}{{range .apiGroups}}{{.}},{{end}}|{{range .resources}}{{.}},{{end}};{{end}}"
)
_HOOKS = f'{{{{range .items}}}}{{{{range .webhooks}}}}{_HOOK}{{{{"\\n"}}}}{{{{end}}}}{{{{end}}}}'
_SLICE = '{.metadata.namespace}/{.metadata.labels.kubernetes\\.io/service-name}{"\\t"}{.endpoints[*].conditions.ready}'
_IMAGES = '{.metadata.name}{"\\t"}{.spec.template.spec.containers[*].image}'


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One webhook that a service of the cluster answers."""

    name: str
    must: bool  # what it is called for is refused while it does not answer
    service: str  # `namespace/name`
    every: bool  # no selector narrows what it is called for
    pods: bool  # it is called for pods
    ready: int = 0  # endpoints of its service that are


@dataclass(frozen=True, kw_only=True)
class Extensions:
    """All of it."""

    webhooks: tuple[Webhook, ...] = ()
    ill_services: tuple[tuple[str, str], ...] = ()  # API services that are not available, and why
    images: Mapping[str, tuple[str, ...]] | None = None  # workload of kube-system -> its images; None = not read


def question(kubectl: str) -> str:
    """Shell text, a part of the look. Endpoints are told only of services that a webhook names."""
    hooks = "validatingwebhookconfigurations,mutatingwebhookconfigurations"
    each = '{range .items[*]}%s{"\\n"}{end}'
    wanted = '/^=$/ {then = 1; next} !then {want[$3]; next} $1 in want {print $1 "\\t" gsub(/true/, "", $2)}'
    return f"""echo '= services'
{kubectl} get apiservices -o jsonpath='{each % _SERVICE}' || exit
echo '= webhooks'
hooks=$({kubectl} get {hooks} -o go-template='{_HOOKS}') || exit
printf '%s\\n' "$hooks"
echo '= endpoints'
if [ -n "$hooks" ]; then
  slices=$({kubectl} get endpointslices -A -o jsonpath='{each % _SLICE}') || exit
  printf '%s\\n' "$hooks" = "$slices" | awk -F'\\t' '{wanted}'
fi
echo '= images'
{kubectl} get deployments,daemonsets -n kube-system -o jsonpath='{each % _IMAGES}' || exit"""


def read(parts: Mapping[str, Sequence[str]]) -> Extensions:
    """What the answer says, by the sections of `question`. Raises ValueError."""
    ready: dict[str, int] = {}
    for line in parts.get("endpoints", ()):
        service, _, count = line.partition("\t")
        ready[service] = ready.get(service, 0) + int(count)
    images = [line.partition("\t")[::2] for line in parts["images"]] if "images" in parts else None
    return Extensions(
        webhooks=tuple(hook for hook in (_webhook(line, ready) for line in parts.get("webhooks", ())) if hook.service),
        ill_services=tuple(_ill(line) for line in parts.get("services", ()) if _is_ill(line)),
        images=None if images is None else {name: tuple(listed.split()) for name, listed in images},
    )


def _webhook(line: str, ready: Mapping[str, int]) -> Webhook:
    name, policy, service, which, rules = line.split("\t")
    return Webhook(
        name=name,
        must=policy != "Ignore",  # not said is Fail
        service=service,
        every=which == "all",
        pods=any(_takes_pods(rule) for rule in rules.split(";") if rule),
        ready=ready.get(service, 0),
    )


def _takes_pods(rule: str) -> bool:
    groups, _, resources = rule.partition("|")
    named = set(resources.split(","))
    return not {"", "*"}.isdisjoint(groups.split(",")[:-1]) and not {"*", "*/*", "pods"}.isdisjoint(named)


def _is_ill(line: str) -> bool:
    _, service, available, _ = line.split("\t")
    return bool(service) and available != "True"


def _ill(line: str) -> tuple[str, str]:
    name, _, _, reason = line.split("\t")
    return name, reason


def findings(seen: Extensions, components: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[Finding]:
    """What is worth a word. `components`, `after`: workload -> versions that belong to the running and to the target version."""
    found = [each for hook in seen.webhooks for each in _hook(hook)]
    for name, reason in seen.ill_services:
        text = f"API service {name} is not available{f' ({reason})' if reason else ''}: namespaces cannot be deleted meanwhile"
        found.append(warns("services", text, f"kubectl describe apiservice {name}"))
    return [*found, *_components(seen.images, components, after)]


def _hook(hook: Webhook) -> list[Finding]:
    if not hook.must or not hook.pods or hook.ready > 1:
        return []
    namespace, _, name = hook.service.partition("/")
    show = f"kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}"
    if hook.ready:
        text = f"webhook {hook.name} must answer for pods and one pod alone does: while that one moves, no pod is made"
        return [warns("webhooks", text, f"two replicas on two nodes: {show}")]
    whose = "pods" if hook.every else "the pods that its selectors choose"
    text = f"webhook {hook.name} must answer for {whose} and nothing behind {hook.service} does: drained pods would not come back"
    hint = f"bring it back, or delete its configuration: {show}"
    return [(blocks if hook.every else warns)("webhooks", text, hint)]


def _components(
    images: Mapping[str, tuple[str, ...]] | None, before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]
) -> list[Finding]:
    if images is None:
        return []
    found = []
    for workload, versions in before.items():
        tags = [image.rpartition(":")[2].partition("@")[0] for image in images.get(workload, ())]
        fitting = {*versions, *after.get(workload, ())}
        if tags and not any(_is(tag, version) for tag in tags for version in fitting):
            comes = f"the upgrade brings {after[workload][0]}" if after.get(workload) else "the target does not bring it"
            text = f"{workload} runs {', '.join(tags)}, which this version did not bring ({', '.join(versions)}): {comes}"
            found.append(warns("components", text, f"kubectl -n kube-system get deployments,daemonsets {workload} -o yaml"))
    return found


def _is(tag: str, version: str) -> bool:
    """Whether an image's tag is of that version: `v1.14.2`, `1.14.2`, or with a build behind it (`v1.14.2-build20260101`)."""
    rest = tag.removeprefix("v").removeprefix(version.removeprefix("v"))
    return rest != tag.removeprefix("v") and not rest[:1].isdigit() and rest[:1] != "."

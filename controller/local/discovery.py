"""Discovery: which groups, versions and resources are served, in the old and the aggregated form.

Pure functions of the catalogue, called by `server`. kubectl asks for the aggregated form (v2);
older clients and the Python client walk the other one.
"""

from typing import Any

from controller.local import resources

Object = dict[str, Any]

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_AGGREGATED_BETA = AGGREGATED.replace(";v=v2;", ";v=v2beta1;")

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+push-to-deploy",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
}
"""The Kubernetes whose behaviour is followed."""


def aggregated_type(accept: str) -> str:
    """The aggregated media type that an Accept header prefers to plain JSON, or nothing."""
    for part in accept.replace(" ", "").split(","):
        if part in (AGGREGATED, _AGGREGATED_BETA):
            return part
        if part.partition(";")[0] in ("application/json", "*/*") and ";as=" not in part:
            return ""
    return ""


def versions(address: str) -> Object:
    """/api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(catalogue: resources.Catalogue) -> Object:
    """/apis."""
    found = [_group(name, each) for name, each in catalogue.groups().items() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def _group(name: str, served: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in served]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def group(catalogue: resources.Catalogue, name: str) -> Object | None:
    """/apis/<group>."""
    served = catalogue.groups().get(name)
    if not served or not name:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, served)


def resource_list(catalogue: resources.Catalogue, name: str, version: str) -> Object | None:
    """/api/v1 and /apis/<group>/<version>."""
    found = [each for each in catalogue if (each.group, each.version) == (name, version)]
    if not found:
        return None
    listed: list[Object] = []
    for each in sorted(found, key=lambda each: each.plural):
        listed.append(_resource(each))
        listed.extend(_subresource(each, *found) for found in each.subresources.items())
    head = {"apiVersion": "v1"} if name else {}
    group_version = f"{name}/{version}" if name else version
    return head | {
        "kind": "APIResourceList",
        "groupVersion": group_version,
        "resources": listed,
    }


def _resource(each: resources.Resource) -> Object:
    found: Object = {
        "name": each.plural,
        "singularName": each.singular,
        "namespaced": each.namespaced,
        "kind": each.kind,
        "verbs": list(each.verbs),
    }
    if each.short_names:
        found["shortNames"] = list(each.short_names)
    if each.categories:
        found["categories"] = list(each.categories)
    if each.hash:
        found["storageVersionHash"] = each.hash
    return found


def _subresource(each: resources.Resource, name: str, verbs: list[str]) -> Object:
    return {
        "name": f"{each.plural}/{name}",
        "singularName": "",
        "namespaced": each.namespaced,
        "kind": each.kind,
        "verbs": verbs,
    }


def aggregated(catalogue: resources.Catalogue, core: bool, media: str) -> Object:
    """/api or /apis in the aggregated form."""
    items = [
        {
            "metadata": {"name": name} if name else {},
            "versions": [_aggregated_version(catalogue, name, version) for version in served],
        }
        for name, served in catalogue.groups().items()
        if bool(name) != core
    ]
    version = "v2beta1" if "v=v2beta1" in media else "v2"
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(catalogue: resources.Catalogue, name: str, version: str) -> Object:
    found = [each for each in catalogue if (each.group, each.version) == (name, version)]
    listed = [_aggregated_resource(each) for each in sorted(found, key=lambda each: each.plural)]
    return {"version": version, "freshness": "Current", "resources": listed}


def _aggregated_resource(each: resources.Resource) -> Object:
    kind = {"group": each.group, "version": each.version, "kind": each.kind}
    found: Object = {
        "resource": each.plural,
        "responseKind": kind,
        "scope": "Namespaced" if each.namespaced else "Cluster",
        "singularResource": each.singular,
        "verbs": list(each.verbs),
    }
    if each.short_names:
        found["shortNames"] = list(each.short_names)
    if each.categories:
        found["categories"] = list(each.categories)
    if each.subresources:
        found["subresources"] = [
            {"subresource": sub, "responseKind": kind, "verbs": verbs}
            for sub, verbs in each.subresources.items()
        ]
    return found

"""The custom resource definitions, made from the models.

`definitions()` is what the embedded control plane serves; `manifests()` is what `make crds` writes
to manifests/crds/ and the gate compares. Schemas come from the models; what Kubernetes needs beside
them is said here: names, columns, selectable fields, and CEL rules that give an object made by hand
the answers that `ptd config validate` gives. What CEL cannot afford (loops of more than one
component, cron, the words of a command) the controller says, on the object.
"""

from typing import Any

import yaml

from controller.models import structural
from controller.models.fields import MAX_NAME, NAME_PATTERN
from controller.models.meta import GROUP, VERSION
from controller.models.toolconfig import ToolConfigSpec, ToolConfigStatus
from controller.models.tooldeployment import ToolDeploymentSpec, ToolDeploymentStatus, Trigger

Definition = dict[str, Any]
Rule = dict[str, str]

DIRECTORY = "manifests/crds"
_HEADER = "# Written by `make crds` from controller/models. Do not edit.\n"


def _rule(rule: str, message: str) -> Rule:
    return {"rule": rule, "message": message}


_TCP = "(!has(self.port_protocol) || self.port_protocol == 'tcp')"
_FIXED = "A deployment says what was asked: only cancel can change, from false to true"

RUN_RULES = [
    _rule(
        "!has(self.health_check_script) || !has(self.health_check_http)",
        "Cannot specify both health_check_script and health_check_http",
    ),
    _rule(
        f"!has(self.health_check_http) || (has(self.port) && {_TCP})",
        "A tcp port must be set for health_check_http",
    ),
    _rule("!has(self.publish) || has(self.port)", "publish requires port to be set"),
    _rule(f"!has(self.publish) || {_TCP}", "publish requires port_protocol set to tcp"),
    _rule(
        "!has(self.filelog) || !self.filelog || !has(self.mount) || self.mount == 'all'",
        "File logging is only available with mount set to all",
    ),
]
BUILD_RULES = [
    _rule(
        "has(self.repository) || has(self.reuse_from)",
        "A build has a repository and a ref, or reuse_from",
    ),
    _rule(
        "!has(self.repository) || !has(self.reuse_from)",
        "Cannot specify both repository and reuse_from",
    ),
    _rule(
        "!has(self.repository) || has(self.credentials) || "
        "!self.repository.matches('^([sS][sS][hH]://|[^/:]+@)')",
        "An ssh address needs `credentials`",
    ),
]
# Not CEL, which cannot name a field that is a text or an object.
REF_WITH_REPOSITORY = [{"required": ["ref"]}, {"not": {"required": ["repository"]}}]
COMPONENT_RULES = [
    _rule(
        "!has(self.component_type) || self.component_type != 'scheduled' || has(self.run.schedule)",
        "A scheduled component needs run.schedule",
    ),
    _rule(
        "!has(self.component_type) || self.component_type != 'continuous' || "
        "!has(self.run.schedule)",
        "A continuous component has no schedule",
    ),
]
COMPONENTS_RULES = [
    _rule(
        f"self.all(name, size(name) <= {MAX_NAME} && name.matches('{NAME_PATTERN}'))",
        f"A component's name has at most {MAX_NAME} characters of a-z, 0-9, - and ., and starts "
        "and ends with a letter or a digit",
    ),
    _rule(
        "self.all(name, !has(self[name].build.reuse_from) || self[name].build.reuse_from in self)",
        "reuse_from names a component that does not exist",
    ),
    _rule(
        "self.all(name, !has(self[name].build.reuse_from) || self[name].build.reuse_from != name)",
        "A component cannot reuse its own build",
    ),
    _rule(
        "self.filter(name, has(self[name].run.publish)).size() <= 1",
        "Only one component can be published",
    ),
    _rule(
        "self.all(name, !has(self[name].run.port) || name.matches('^[a-z][-a-z0-9]*$'))",
        "The name of a component with a port is a host name: it starts with a letter and has no "
        "dot",
    ),
]
NAME_RULES = [
    _rule(
        "self.metadata.name.endsWith('-config')",
        "The config of the tool x is named x-config; another name would never be read",
    )
]


def _same(field: str) -> Rule:
    """A field of a deployment that stays as it was, except in the older service's objects."""
    return _rule(
        f"has(oldSelf.status) || (has(self.{field}) == has(oldSelf.{field}) && "
        f"(!has(self.{field}) || self.{field} == oldSelf.{field}))",
        _FIXED,
    )


DEPLOYMENT_RULES = [
    *(_same(field) for field in ("description", "force_build", "force_run", "trigger")),
    _rule(
        "has(oldSelf.status) || !has(oldSelf.cancel) || !oldSelf.cancel || "
        "(has(self.cancel) && self.cancel)",
        _FIXED,
    ),
    _rule("has(self.status) == has(oldSelf.status)", "status is not part of spec any more"),
]


def definitions() -> tuple[Definition, ...]:
    """The definitions of all kinds, as objects of apiextensions.k8s.io/v1."""
    return (_tool_config(), _tool_deployment())


def manifests() -> dict[str, str]:
    """Path → text of every file in manifests/crds."""
    return {
        f"{DIRECTORY}/{definition['spec']['names']['plural']}.yaml": _HEADER
        + yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        for definition in definitions()
    }


class _Dumper(yaml.SafeDumper):
    """Writes equal lists out instead of pointing at them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _tool_config() -> Definition:
    spec = structural.of_model(ToolConfigSpec)
    components = spec["properties"]["components"]
    components["x-kubernetes-validations"] = COMPONENTS_RULES
    component = components["additionalProperties"]
    component["description"] = "One part of the tool."
    component["x-kubernetes-validations"] = COMPONENT_RULES
    component["properties"]["build"]["x-kubernetes-validations"] = BUILD_RULES
    component["properties"]["build"]["anyOf"] = REF_WITH_REPOSITORY
    component["properties"]["run"]["x-kubernetes-validations"] = RUN_RULES
    component["properties"]["run"]["required"] = ["command"]
    root = _root("A tool's config: its components, and when they are deployed.", spec)
    root["properties"]["status"] = _status(ToolConfigStatus)
    root["x-kubernetes-validations"] = NAME_RULES
    valid = '.status.conditions[?(@.type=="Valid")]'
    return _definition(
        "ToolConfig",
        "tc",
        root,
        [
            _column("Auto-Deploy", ".spec.auto_deploy", "boolean"),
            _column("Interval", ".spec.poll_interval"),
            _column("Valid", f"{valid}.status"),
            _column("Age", ".metadata.creationTimestamp", "date"),
            _column("Message", f"{valid}.message"),
        ],
    )


def _tool_deployment() -> Definition:
    spec = structural.of_model(ToolDeploymentSpec)
    spec["x-kubernetes-validations"] = DEPLOYMENT_RULES
    # The two defaults there are: they make `spec: {}` show who asked, and change nothing else.
    trigger = spec["properties"]["trigger"]
    trigger["default"] = {}
    trigger["properties"]["kind"]["default"] = Trigger.MANUAL.value
    status = _status(ToolDeploymentStatus)
    # A snapshot is kept as it was, whatever later versions make of the format.
    status["properties"]["tool_config"] = {
        "description": "The config that this deployment uses.",
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }
    root = _root("One attempt to bring a tool to its config.", spec)
    root["properties"]["status"] = status
    definition = _definition(
        "ToolDeployment",
        "td",
        root,
        [
            _column("Status", ".status.status"),
            _column("Trigger", ".spec.trigger.kind"),
            _column("Age", ".metadata.creationTimestamp", "date"),
            _column("Commit", ".status.commit"),
            _column("Message", ".status.message"),
        ],
    )
    definition["spec"]["versions"][0]["selectableFields"] = [
        {"jsonPath": ".status.status"},
        {"jsonPath": ".spec.trigger.kind"},
    ]
    return definition


def _root(description: str, spec: structural.Schema) -> structural.Schema:
    return {
        "description": description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    }


def _status(model: type[ToolConfigStatus | ToolDeploymentStatus]) -> structural.Schema:
    schema = structural.of_model(model)
    conditions = schema["properties"]["conditions"]
    conditions["x-kubernetes-list-type"] = "map"
    conditions["x-kubernetes-list-map-keys"] = ["type"]
    return schema


def _column(name: str, path: str, kind: str = "string") -> dict[str, str]:
    return {"name": name, "type": kind, "jsonPath": path}


def _definition(
    kind: str, short: str, schema: structural.Schema, columns: list[dict[str, str]]
) -> Definition:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["toolforge"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }

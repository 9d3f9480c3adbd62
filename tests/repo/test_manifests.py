"""The manifests are what Kubernetes accepts, and promise least rights and restricted pods."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from controller.models import credentials
from controller.settings import PREFIX, Settings
from tests.gate import environment
from tests.support import manifests

VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
# Kinds that a cluster has of somebody else; their own tests are promtool's.
FOREIGN = {"monitoring.coreos.com/v1"}
EVERYWHERE = [(o, v) for o in manifests.OVERLAYS for v in (VERSIONS[0], VERSIONS[-1])]


def test_there_is_an_overlay_for_each_place_with_and_without_the_operator() -> None:
    assert manifests.OVERLAYS == (
        "generic",
        "generic-monitored",
        "toolforge",
        "toolforge-monitored",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_in_every_version_that_is_supported(version: str) -> None:
    everything = {
        yaml.safe_dump(o): o for name in manifests.OVERLAYS for o in manifests.objects(name)
    }
    checked = 0
    for each in everything.values():
        if each["apiVersion"] not in FOREIGN:
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 30


def test_a_field_that_does_not_exist_is_found() -> None:
    wrong = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x"},
        "spec": {"prots": []},
    }
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_every_scheme_of_a_repository_may_leave_by_its_port(overlay: str) -> None:
    policies = manifests.objects(overlay, "NetworkPolicy")
    [public] = [each for each in policies if each["metadata"]["name"] == "push-to-deploy-public"]
    [rule] = public["spec"]["egress"]
    usual = {credentials.PORTS[scheme] for scheme in Settings.model_fields["git_schemes"].default}
    assert {each["port"] for each in rule["ports"]} == usual


def pods(overlay: str) -> dict[str, dict[str, Any]]:
    """Pod templates by the name of their Deployment."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in manifests.objects(overlay, "Deployment")
    }


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_pods_are_restricted_and_write_nowhere_but_to_tmp(overlay: str) -> None:
    for template in pods(overlay).values():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = [m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")]
        assert writable == ["/tmp"]
        assert container["resources"]["limits"]["memory"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_nothing_is_lost_while_versions_change_or_nodes_are_drained(overlay: str) -> None:
    for each in manifests.objects(overlay, "Deployment"):
        assert each["spec"]["replicas"] >= 2
        rolling = each["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    budgets = manifests.objects(overlay, "PodDisruptionBudget")
    assert {each["metadata"]["name"] for each in budgets} == pods(overlay).keys()


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_every_selector_finds_pods(overlay: str) -> None:
    labels = [template["metadata"]["labels"] for template in pods(overlay).values()]
    selectors = [
        *(o["spec"]["selector"] for o in manifests.objects(overlay, "Service")),
        *(
            o["spec"]["selector"]["matchLabels"]
            for o in manifests.objects(overlay, "Deployment", "PodDisruptionBudget")
        ),
        *(
            o["spec"]["podSelector"].get("matchLabels", {})
            for o in manifests.objects(overlay, "NetworkPolicy")
        ),
    ]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_service_monitors_find_services_and_their_ports(overlay: str) -> None:
    services = manifests.objects(overlay, "Service")
    for monitor in manifests.objects(overlay, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        (service,) = (s for s in services if wanted <= s["metadata"]["labels"].items())
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {end["port"] for end in monitor["spec"]["endpoints"]} <= ports
    assert bool(manifests.objects(overlay, "ServiceMonitor")) == overlay.endswith("-monitored")


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_the_settings_are_ones_that_the_program_takes(overlay: str) -> None:
    (found,) = (
        o["data"]
        for o in manifests.objects(overlay, "ConfigMap")
        if o["metadata"]["name"].startswith("push-to-deploy-") and "PTD_OPS_HOST" in o["data"]
    )
    assert all(name.startswith(PREFIX) for name in found)
    values: Any = {name.removeprefix(PREFIX).lower(): value for name, value in found.items()}
    settings = Settings(**values)
    ports = {p["name"]: p["containerPort"] for p in container_ports(overlay)}
    assert ports == {"ops": settings.ops_port, "http": settings.api_port}
    lease = manifests.named(overlay, "Role", "push-to-deploy-leader")
    assert lease["metadata"]["namespace"] == settings.lease_namespace
    assert lease["rules"][1]["resourceNames"] == [settings.lease_name]


def container_ports(overlay: str) -> list[dict[str, Any]]:
    """The ports of all containers."""
    return [
        port
        for template in pods(overlay).values()
        for container in template["spec"]["containers"]
        for port in container["ports"]
    ]


@pytest.mark.parametrize("overlay", manifests.OVERLAYS)
def test_no_account_may_do_what_leads_to_more_rights(overlay: str) -> None:
    roles = manifests.objects(overlay, "Role", "ClusterRole")
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
            assert not {"pods/exec", "serviceaccounts/token"} & set(rule["resources"])
            if "secrets" in rule["resources"]:
                assert not {"list", "watch"} & set(rule["verbs"])
                named = rule.get("resourceNames")
                assert rule["verbs"] == ["create"] or named in (["deploy-token"], ["webhook"])
                assert named != ["webhook"] or rule["verbs"] == ["get"]
    status = [
        role["metadata"]["name"]
        for role in roles
        for rule in role["rules"]
        if any(resource.endswith("/status") for resource in rule["resources"])
    ]
    assert status == ["push-to-deploy-controller"]


def test_the_rules_without_the_operator_are_loaded_by_its_scrape_config() -> None:
    folder = environment.ROOT / "manifests" / "monitoring"
    scrape = yaml.safe_load((folder / "scrape.yaml").read_text())
    assert [(folder / name).is_file() for name in scrape["rule_files"]] == [True]

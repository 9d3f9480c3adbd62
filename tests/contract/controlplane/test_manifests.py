"""The manifests are applied: all of them on a real cluster, what it serves on the embedded one."""

import yaml

from tests.support import controlplane, manifests
from tests.support.kubectl import Kubectl

EMBEDDED = {"CustomResourceDefinition", "Namespace", "ConfigMap", "Secret", "Lease"}
FOREIGN = {"ServiceMonitor", "PrometheusRule"}


async def test_what_the_control_plane_serves_of_an_overlay_is_applied_twice_without_change(
    control_plane: controlplane.Access,
) -> None:
    kubectl = Kubectl(control_plane, "push-to-deploy")
    try:
        for overlay in ("generic-monitored", "toolforge"):
            chosen = [
                each
                for each in manifests.objects(overlay)
                if each["kind"] in EMBEDDED
                or (not control_plane.embedded and each["kind"] not in FOREIGN)
            ]
            text = yaml.safe_dump_all(chosen)
            once = ("apply", "--server-side", "-f", "-")
            first = await kubectl.ok(*once, text=text)
            assert first.count("serverside-applied") == len(chosen) >= 3
            again = ("apply", "--server-side", "--dry-run=server", "-o", "name", "-f", "-")
            assert len((await kubectl.ok(*again, text=text)).splitlines()) == len(chosen)
    finally:
        kubectl.close()

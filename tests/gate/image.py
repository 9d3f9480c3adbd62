"""Builds the container image from what is committed: `make image`.

Uses podman or docker, whichever is there. The context is the commit's own files, so that nothing
of this machine gets into the image; the tag is the commit's.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.gate import environment

NAME = "push-to-deploy"
RECIPE = "manifests/image/Containerfile"
_TOOLS = ("podman", "docker")


def build(tool: str, root: Path = environment.ROOT) -> str:
    """Build the image of HEAD with `tool`; answers its name. Raises CalledProcessError."""
    git = ("git", "-C", str(root))
    commit = subprocess.run(
        (*git, "rev-parse", "--short=12", "HEAD"), check=True, capture_output=True, text=True
    )
    image = f"{NAME}:{commit.stdout.strip()}"
    files = subprocess.run((*git, "archive", "HEAD"), check=True, capture_output=True).stdout
    subprocess.run((tool, "build", "--tag", image, "--file", RECIPE, "-"), check=True, input=files)
    return image


def main() -> int:
    """Build it; 1 when there is nothing to build with."""
    tool = next((found for name in _TOOLS if (found := shutil.which(name))), None)
    if tool is None:
        print(f"an image is built with {' or '.join(_TOOLS)}: install one", file=sys.stderr)
        return 1
    print(build(tool))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The registry that both stand-ins know: which digest each image's tag stands for.

As in Harbor, `latest` moves to the newest build and leaves the older digest without a tag, and
jobs-api refuses a digest without a tag. An open registry (the default) knows every image.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

HOST = "harbor.local"


@dataclass
class Registry:
    """`tags` holds, per repository (`tool-x/web`), the digests that carry a tag."""

    host: str = HOST
    open: bool = True
    tags: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Iterable[str]) -> "Registry":
        """A closed registry with these images (`tool-x/web:latest@sha256:...`)."""
        registry = cls(open=False)
        for image in images:
            repository, digest = _split(registry.short(image))
            registry.tags.setdefault(repository, set()).add(digest)
        return registry

    def push(self, repository: str, digest: str) -> str:
        """A build's result; answers the image's full name."""
        self.tags[repository] = {digest}
        return f"{self.host}/{repository}:latest@{digest}"

    def short(self, image: str) -> str:
        """The image as jobs-api names it: without the host."""
        return image.removeprefix(f"{self.host}/")

    def knows(self, image: str) -> bool:
        """Whether jobs-api accepts the image."""
        repository, digest = _split(self.short(image))
        if repository in self.tags:
            return not digest or digest in self.tags[repository]
        return self.open


def _split(short: str) -> tuple[str, str]:
    name, _, digest = short.partition("@")
    return name.partition(":")[0], digest

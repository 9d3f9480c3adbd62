"""Our two kinds: what the API calls them, and how a stored object is read and a patch is made.

Used by the store and by the object watcher. Reading is lenient where the models are: unknown fields
are ignored, and an object that does not fit is an `Unreadable` of its own, never a failure of the
list that it came in. No requests here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from controller import config
from controller.models import wording
from controller.models.meta import API_VERSION, GROUP, VERSION, ObjectMeta
from controller.models.summary import InvalidConfig
from controller.models.toolconfig import LenientStatus, ToolConfig, ToolConfigStatus
from controller.models.tooldeployment import ToolDeployment
from controller.store import errors

JSON = Mapping[str, Any]
T = TypeVar("T", bound=BaseModel)
Ours = TypeVar("Ours", bound=ToolDeployment | ToolConfig)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind: its name, its plural in paths, its model."""

    name: str
    plural: str
    model: type[T]

    @property
    def path(self) -> tuple[str, str]:
        """Group and version, as the client's calls want them first."""
        return GROUP, VERSION

    def read(self, stored: JSON) -> T:
        """The model of a stored object; raises Unreadable."""
        try:
            return self.model.model_validate(stored)
        except ValidationError as error:
            found = problems(error)
            more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
            where = f"{self.name} {_name(stored)}"
            said = f"{where}: {'; '.join(found[:3])}{more}"
            raise errors.Unreadable(said, found, stored) from error

    def new(self, namespace: str, name: str, spec: JSON, metadata: JSON) -> dict[str, Any]:
        """The JSON of an object that does not exist yet."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.name,
            "metadata": {**metadata, "name": name, "namespace": namespace},
            "spec": dict(spec),
        }


DEPLOYMENTS = Kind("ToolDeployment", "tooldeployments", ToolDeployment)
CONFIGS = Kind("ToolConfig", "toolconfigs", ToolConfig)


_STATUS = TypeAdapter[ToolConfigStatus](LenientStatus)


def kind_of(model: Ours) -> Kind[Ours]:
    """The kind of a model."""
    kind: Kind[Any] = DEPLOYMENTS if isinstance(model, ToolDeployment) else CONFIGS
    return kind


def read_config(stored: JSON) -> ToolConfig | InvalidConfig:
    """A stored ToolConfig, or what is wrong with it; Unreadable if even its metadata is broken."""
    try:
        return CONFIGS.read(stored)
    except errors.Unreadable as error:
        try:
            metadata = ObjectMeta.model_validate(stored.get("metadata"))
            status = _STATUS.validate_python(stored.get("status") or {})
        except ValidationError:
            raise error from None
        return InvalidConfig(metadata, error.problems, status)


def dump(part: BaseModel) -> dict[str, Any]:
    """A spec or status as JSON, in the spelling that is stored."""
    return part.model_dump(mode="json", by_alias=True)


def merge_patch(old: BaseModel, new: BaseModel) -> dict[str, Any]:
    """The JSON merge patch (RFC 7386) from what was read to what it shall be.

    Only fields that were really stored count as old, so that defaults become visible with the first
    write; what disappears becomes null; fields that our models do not know stay as they are.
    """
    return _difference(old.model_dump(mode="json", by_alias=True, exclude_unset=True), dump(new))


def _difference(old: JSON, new: JSON) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in old if new.get(name) is None}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _difference(before, value)
            if inner:
                patch[name] = inner
        elif value is not None and value != before:
            patch[name] = value
    return {name: value for name, value in patch.items() if value is not None or name in old}


def problems(error: ValidationError) -> tuple[str, ...]:
    """The mistakes of an object as `path: message`, without what was written there."""
    return tuple(
        f"{'.'.join(map(str, config.plain_loc(mistake['loc'])))}: {wording.plain(mistake)}"
        for mistake in error.errors(include_url=False, include_input=False)
    )


def _name(stored: JSON) -> str:
    metadata = stored.get("metadata")
    if not isinstance(metadata, Mapping):
        return "without a name"
    return f"{metadata.get('namespace')}/{metadata.get('name')}"

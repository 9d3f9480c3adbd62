"""A credential on its way from ptd to the builder of one build, by a file that is read once.

ptd writes it just before it starts a builder (`build`), the builder takes it away before git runs
(`builder`), and what a kill may leave is removed with the folder. A build's plan, log and result
hold no secret.
"""

import json
from pathlib import Path

from controller.backends.local import files
from controller.models.credentials import Credential, HttpLogin, SshKey

_FOLDER, _FILE = "credential", "credential.json"


def folder(directory: Path) -> Path:
    """Where a build's secrets are while it fetches; nobody else may look there."""
    return directory / _FOLDER


def give(directory: Path, credential: Credential) -> None:
    """Leave the credential for the builder that is started next. Raises Transient."""
    place = folder(directory)
    files.make_directory(place)
    login = credential.login
    data = {"name": credential.name, "hosts": list(credential.hosts)}
    if isinstance(login, SshKey):
        data |= {"private_key": login.private_key, "known_hosts": login.known_hosts}
    else:
        data |= {"authorization": login.authorization}
    files.write_json(place / _FILE, data)


def take(directory: Path) -> Credential | None:
    """The credential, which is not on the disk any more then; None where there is none."""
    path = folder(directory) / _FILE
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    finally:
        path.unlink(missing_ok=True)
    login = (
        SshKey(data["private_key"], data["known_hosts"])
        if "private_key" in data
        else HttpLogin(data["authorization"])
    )
    return Credential(data["name"], tuple(data["hosts"]), login)


def clear(directory: Path) -> None:
    """Remove whatever is left."""
    files.remove_tree(folder(directory))

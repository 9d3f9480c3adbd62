"""The table of mistakes: the row's name, the text, and the one error (line, path, message)."""

from tests.unit.config.texts import GOOD, with_build, with_kind, with_run, with_top

Row = tuple[str, int | None, str, str]
RUN = "components.web.run"
BUILD = "components.web.build"
NAME_RULE = (
    "A component's name is made of a-z, 0-9, `-` and `.`, and starts and ends with a letter or a "
    "digit"
)
REFERENCES = "Anchors (`&name`) and aliases (`*name`) are not allowed"
FIELDS = "A schedule has 5 fields (minute, hour, day, month, weekday), this has"


def run(name: str, message: str, *lines: str) -> Row:
    """A mistake in the last of these lines of a component's run."""
    return with_run("command: x", *lines), 7 + len(lines), f"{RUN}.{name}", message


def build(name: str, message: str, *lines: str) -> Row:
    """A mistake in the last of these lines of a component's build."""
    return with_build(*lines), 3 + len(lines), f"{BUILD}.{name}", message


def repository(message: str, address: str) -> Row:
    """A mistake in the address of the repository."""
    return with_build(f"repository: {address}", "ref: main"), 4, f"{BUILD}.repository", message


def ref(message: str, value: str) -> Row:
    """A mistake in the ref."""
    return build("ref", message, "repository: https://a.org/x", f"ref: '{value}'")


def policy(name: str, message: str, value: str) -> Row:
    """A mistake in a ref policy."""
    return build(name, message, "repository: https://a.org/x", f"ref: {value}")


def schedule(message: str, value: str) -> Row:
    """A mistake in the schedule."""
    return run("schedule", message, f"schedule: '{value}'")


def top(name: str, message: str, line: str) -> Row:
    """A mistake at the top of the file."""
    return with_top(line), 1, name, message


MISTAKES: dict[str, Row] = {
    "a port that is too high": run("port", "This may be at most 65535", "port: 65536"),
    "a port that is zero": run("port", "This has to be at least 1", "port: 0"),
    "a port that is a word": run(
        "port",
        "This has to be a whole number",
        "port: http",
    ),
    "replicas that YAML reads as true": run(
        "replicas", "This has to be a whole number, not true or false", "replicas: yes"
    ),
    "a switch that is neither on nor off": top(
        "auto_deploy",
        "This has to be true or false",
        "auto_deploy: maybe",
    ),
    "no replicas": run("replicas", "This has to be at least 1", "replicas: 0"),
    "a cpu that is a number": run("cpu", "This has to be text", "cpu: 0.5"),
    "a cpu that is no quantity": run("cpu", "This is not an amount of cpu", "cpu: two"),
    "no cpu at all": run("cpu", "This is not an amount of cpu", "cpu: '0'"),
    "a memory with an unknown unit": run(
        "memory", "This is not an amount of memory", "memory: 1ki"
    ),
    "a memory in thousandths of a byte": run(
        "memory", "This is less than one MiB of memory (0.512 bytes)", "memory: 512m"
    ),
    "a command that is not there": (
        with_run("port: 8000"),
        6,
        f"{RUN}.command",
        "`command` is missing",
    ),
    "a command that is empty": (
        with_run("command: ''"),
        7,
        f"{RUN}.command",
        "The command is empty",
    ),
    "a command with an open quotation mark": (
        with_run('command: echo "hello'),
        7,
        f"{RUN}.command",
        "The command has a quotation mark that is not closed",
    ),
    "a command that YAML reads as true": (
        with_run("command: yes"),
        7,
        f"{RUN}.command",
        "This has to be text",
    ),
    "a key without a value": run("cpu", "The value is missing", "cpu:"),
    "both health checks": run(
        "health_check_script",
        "Cannot specify both health_check_script and health_check_http",
        "port: 1",
        "health_check_http: /",
        "health_check_script: x",
    ),
    "a health check by HTTP without a port": run(
        "health_check_http",
        "A tcp port must be set for health_check_http",
        "health_check_http: /",
    ),
    "a health check by HTTP over UDP": run(
        "health_check_http",
        "A tcp port must be set for health_check_http",
        "port: 1",
        "port_protocol: udp",
        "health_check_http: /",
    ),
    "a health check with a path that is none": run(
        "health_check_http",
        "The path of the health check starts with `/` and has no spaces",
        "port: 1",
        "health_check_http: healthz",
    ),
    "publishing without a port": run("publish", "publish requires port to be set", "publish: /"),
    "publishing over UDP": run(
        "publish",
        "publish requires port_protocol set to tcp",
        "port: 1",
        "port_protocol: udp",
        "publish: /",
    ),
    "publishing another path": run("publish", "This has to be `/`", "port: 1", "publish: /app"),
    "mail at a moment that is none": run(
        "emails",
        "This has to be `none`, `all`, `onfinish` or `onfailure`",
        "emails: onfailur",
    ),
    "files for the log without the home": run(
        "filelog",
        "File logging is only available with mount set to all",
        "mount: none",
        "filelog: true",
    ),
    "a schedule with four fields": schedule(f"{FIELDS} 4", "* * * *"),
    "a schedule with a step on a range": schedule(
        "The minute of the schedule is wrong: a range cannot have a step (`1-30/5`); "
        "list the values instead",
        "1-30/5 * * * *",
    ),
    "a schedule with a range that runs backwards": schedule(
        "The day of the week of the schedule is wrong: the range `5-1` runs backwards",
        "0 0 * * 5-1",
    ),
    "a schedule with names in a range": schedule(
        "The day of the week of the schedule is wrong: a range has numbers on both sides, "
        "not `mon-fri`",
        "0 0 * * mon-fri",
    ),
    "a schedule with the name of a month": schedule(
        "The month of the schedule is wrong: `jan` is not a number", "0 0 1 jan *"
    ),
    "a schedule with an hour that does not exist": schedule(
        "The hour of the schedule is wrong: 24 is not between 0 and 23", "0 24 * * *"
    ),
    "a schedule with a step of zero": schedule(
        "The minute of the schedule is wrong: the step `0` is not between 1 and 59",
        "*/0 * * * *",
    ),
    "a schedule with a name that is not known": schedule(
        "Unknown schedule `@midnight`", "@midnight"
    ),
    "too many retries, not said for both kinds of component": run(
        "retry", "This may be at most 5", "schedule: '@daily'", "retry: 6"
    ),
    "a repository that is an option": repository(
        "An address may not start with `-`", "--upload-pack=x"
    ),
    "a repository with git's own helper protocol": repository(
        "An address starts with its scheme", "ext::sh"
    ),
    "a repository with a space": repository(
        "An address may not contain spaces, control characters, backslashes or letters outside "
        "ASCII",
        "https://a.org/x y",
    ),
    "a repository on this machine": repository(
        "Addresses of the kind `file` are not allowed here", "file:///srv/git"
    ),
    "a repository by its directory": repository("An address starts with its scheme", "./mytool"),
    "a repository over ssh": repository("An ssh address needs `credentials`", "ssh://git@a.org/x"),
    "a repository over ssh in git's short form": repository(
        "An ssh address needs `credentials`", "git@a.org:x"
    ),
    "credentials that would be readable on their way": repository(
        "Credentials are sent encrypted only, to an https or ssh address",
        "http://a.org/x\n      credentials: a",
    ),
    "a token where the name of a Secret belongs": build(
        "credentials",
        "This is not the name of a Secret",
        "repository: https://a.org/x",
        "ref: main",
        "credentials: glpat-AbC_d",
    ),
    "a password in the repository": repository(
        "An address may not hold a user name or a password", "https://me:secret@a.org/x"
    ),
    "a query in the repository": repository(
        "The address may not have a query or a fragment", "https://a.org/x?y=1"
    ),
    "a repository without a host": repository("The address has no valid host name", "https:///x"),
    "a repository with a port that is none": repository(
        "This is not a valid address: Port out of range 0-65535", "https://a.org:99999/x"
    ),
    "a ref that is an option": ref("A ref may not start with `-`", "--exec=x"),
    "a ref with a colon": ref("A ref may not contain `:`", "a:b"),
    "a ref with a space": ref("A ref may not contain a space", "a b"),
    "a ref that leaves its place": ref(
        "A ref may not contain `..` or `@{`, be `@`, or end with `.`", "a/../b"
    ),
    "a ref with an empty part": ref("A ref may not start or end with `/`, or contain `//`", "a//b"),
    "a ref that git would take for a lock": ref(
        "No part of a ref may start with `.` or end with `.lock`", "a.lock"
    ),
    "a range of versions with a comma": policy(
        "ref.semver", "This is not a range of versions", "{semver: '>=5,<6'}"
    ),
    "a range of versions without one": policy("ref.semver", "The value is missing", "{semver: }"),
    "a tag pattern without a wildcard": policy("ref.tag", "The pattern has no `*`", "{tag: v1}"),
    "a tag pattern that no tag can match": policy(
        "ref.tag",
        "A pattern may contain only what a tag may, and `*`, `?` and `[...]`",
        "{tag: 'v *'}",
    ),
    "a ref policy of both kinds": policy(
        "ref", "Name either a range (semver) or a pattern (tag)", "{semver: '1.x', tag: 'v*'}"
    ),
    "a ref policy of an unknown kind": policy("ref.latest", "A ref has no `latest`", "{latest: 1}"),
    "a ref that is a number": policy("ref", "This has to be text", "5"),
    "a repository without a ref": (
        with_build("repository: https://a.org/x"),
        3,
        f"{BUILD}.ref",
        "`ref` is missing",
    ),
    "a repository and an image of another component": (
        GOOD
        + "  b:\n    build: {repository: 'https://a.org/x', ref: main, reuse_from: web}\n"
        + "    run: {command: x}\n",
        10,
        "components.b.build.reuse_from",
        "Cannot specify both repository and reuse_from",
    ),
    "a component whose name cannot exist": build(
        "reuse_from",
        "Missing components referenced from reuse_from: No_Name",
        "reuse_from: No_Name",
    ),
    "a component that does not exist": build(
        "reuse_from", "Missing components referenced from reuse_from: wbe", "reuse_from: wbe"
    ),
    "a component that reuses itself": build(
        "reuse_from", "reuse_from goes in a circle: web -> web", "reuse_from: web"
    ),
    "a version that is not known": top(
        "config_version",
        "Unknown config_version `v2`. Known: v1beta1, and v0.1 (upgraded when it is read)",
        "config_version: v2",
    ),
    "polling too often": top(
        "poll_interval", "The shortest poll_interval is 30s", "poll_interval: 5s"
    ),
    "polling too seldom": top(
        "poll_interval", "The longest poll_interval is 168h", "poll_interval: 169h"
    ),
    "polling at an interval without a unit": top(
        "poll_interval", "This is not a duration", "poll_interval: '300'"
    ),
    "a config from another protocol": top(
        "source_url",
        "Addresses of the kind `ftp` are not allowed here",
        "source_url: ftp://a.org/x",
    ),
    "no components": (
        "components: {}\n",
        1,
        "components",
        "This is empty",
    ),
    "no components at all": ("prune: true\n", None, "components", "`components` is missing"),
    "a component that is a list": (
        "components:\n  web: []\n",
        2,
        "components.web",
        "This has to be a mapping: names, with a value each",
    ),
    "a name with capital letters": (GOOD.replace("web:", "Web:"), 2, "components.Web", NAME_RULE),
    "a name that is too long": (
        GOOD.replace("web:", f"{'w' * 53}:"),
        2,
        f"components.{'w' * 53}",
        "A component's name may have 52 characters, this has 53",
    ),
    "a name that cannot be a host": (
        GOOD.replace("web:", "1.web:"),
        8,
        "components.1.web.run.port",
        "The name of a component with a port is a host name: it starts with a letter and has no "
        "dot",
    ),
    "a kind of component that is none": (
        with_kind(GOOD, "cron"),
        3,
        "components.web.component_type",
        "This has to be `continuous` or `scheduled`",
    ),
    "a continuous component with a schedule": (
        with_kind(GOOD, "continuous") + "      schedule: '@daily'\n",
        10,
        f"{RUN}.schedule",
        "A continuous component has no schedule",
    ),
    "a scheduled component without a schedule": (
        with_kind(with_run("command: x"), "scheduled"),
        7,
        f"{RUN}.schedule",
        "`schedule` is missing",
    ),
    "two components that are published": (
        GOOD.replace("      command", "      publish: /\n      command")
        + "  b:\n    build: {reuse_from: web}\n    run: {command: x, port: 1, publish: /}\n",
        12,
        "components.b.run.publish",
        "Only one component can be published, and web is already",
    ),
    "a circle of components, said once and with its path": (
        "components:\n"
        "  c: {build: {reuse_from: a}, run: {command: x}}\n"
        "  a: {build: {reuse_from: b}, run: {command: x}}\n"
        "  b: {build: {reuse_from: a}, run: {command: x}}\n",
        3,
        "components.a.build.reuse_from",
        "reuse_from goes in a circle: a -> b -> a",
    ),
    "the same component twice": (
        GOOD + GOOD.partition("\n")[2],
        9,
        "components.web",
        "`web` is there twice, first in line 2",
    ),
    "both spellings of one name": (
        with_top("config_version: v1beta1", "config-version: v0.1"),
        1,
        "config_version",
        "`config-version` is an old spelling of `config_version`, and both are there",
    ),
}

UNREADABLE: dict[str, Row] = {
    "a file that is empty": ("", None, "", "The config is empty"),
    "a file that is a list": ("- x\n", None, "", "The config is not a mapping"),
    "a file with two documents": (GOOD + "---\na: 1\n", 9, "", "There is more than one document"),
    "a line with wrong indentation": (
        GOOD + "   x: 1\n",
        9,
        "",
        "This is not YAML: while parsing a block mapping did not find expected key",
    ),
    "an anchor": ("a: &x 1\n", 1, "", REFERENCES),
    "an alias": ("a: 1\nb: *x\n", 2, "", REFERENCES),
    "an object of the language": (
        "a: !!python/object:os.system {}\n",
        1,
        "",
        "Tags (`!name`) are not allowed",
    ),
    "too deep a nesting": (
        f"a: {'[' * 40}{']' * 40}",
        1,
        "",
        "The nesting is deeper than 32",
    ),
    "a file that is too large": (
        "#" * 65537,
        None,
        "",
        "The text is larger than the 64 KiB of a config",
    ),
}

"""What strangers write as an address or a ref, to get somewhere else with it: data for the tests.

`ADDRESSES` are refused before DNS is asked; `NUMBERS` spell 127.0.0.1 and others in ways that some
resolver understands; `SPECIAL` has an address of each special range; `REFS` must stay refs that are
not there. `{file}` is a file whose creation or reading would be noticed.
"""

import itertools

TOUCH = "touch {file}"
HOST = "git.example.org"

_OPTIONS = [
    "--upload-pack=" + TOUCH,
    "--upload-pack",
    "-u" + TOUCH,
    "--exec=" + TOUCH,
    "--config=core.sshCommand=" + TOUCH,
    "-c",
    "-ccore.gitProxy=" + TOUCH,
    "--template={file}",
    "--output={file}",
    "--git-dir=/etc",
    "-o",
    "--",
    "-",
    "--server-option=x",
    "--heads",
    "--symref",
    "--upload_pack=" + TOUCH,
    "--upload-pac=" + TOUCH,
]
_HELPERS = [
    "ext::sh -c " + TOUCH.replace(" ", "% "),
    "ext::" + TOUCH.replace(" ", "% "),
    "ext::git-upload-pack /etc",
    "fd::7",
    "fd::0,1/x",
    "testgit::/tmp/x",
    "hg::https://git.example.org/a",
    "persistent-https://git.example.org/a",
    "transport::address",
    "https::https://git.example.org/a",
    "file::/etc/passwd",
    "bundle::/tmp/x",
]
_SCHEMES = [
    f"{scheme}://{HOST}/a.git"
    for scheme in (
        *("ftp", "ftps", "rsync", "gopher", "dict", "ldap", "tftp", "smb", "telnet", "ws", "wss"),
        *("data", "javascript", "about", "blob", "jar", "netdoc", "sftp", "svn", "git+ssh+x"),
        *("git+file", "httpss", "ht tp", "https\t", "h\nttps", "\u0068ttp\u017f", "://", ""),
    )
]
_FILES = [
    "/etc/passwd",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:/etc/passwd",
    "FILE:///etc/passwd",
    "//etc/passwd",
    "./a",
    "../../etc",
    "~/x",
    "~root/.ssh",
    "C:\\Windows\\x",
    "\\\\host\\share",
    "{file}",
    "file://{file}",
    "/proc/self/environ",
    ".",
    "..",
    "a.bundle",
]
_SSH = [
    "ssh://-oProxyCommand=touch/a",
    "ssh://-oProxyCommand=" + TOUCH.replace(" ", "%20") + "/a",
    "-oProxyCommand=touch:a",
    "git@-oProxyCommand=touch:a",
    "ssh://git@-oProxyCommand=touch/a",
    "ssh://git@[-oProxyCommand=touch]/a",
    "ssh://-F{file}@host/a",
    "ssh://user:password@git.example.org/a",
    "user:password@git.example.org:a",
    "ssh://git.example.org:22:22/a",
]
_MARKS = (
    "\x00",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\x0b",
    "\x0c",
    "\x1b",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u2029",
    "\u200b",
    "\u202e",
    "\ufeff",
    " ",
    "`id`",
    "$(id)",
    "$HOME",
    "\\",
    '"',
    "'",
    "<",
    ">",
    "|",
    "^",
    "{{}}",
    "%00",
    "%0a",
    "%0d",
    "%0D%0A",
    "%09",
    "%1b",
    "%7f",
)
_PLACES = (
    "https://git.example.org/a{}b",
    "https://git.example{}.org/a",
    "{}https://git.example.org/a",
    "https://git.example.org/a{}",
)
_CHARACTERS = [place.format(mark) for place, mark in itertools.product(_PLACES, _MARKS)]
_LINES = [
    f"https://{HOST}/a\nHost: 127.0.0.1",
    f"https://{HOST}/a\r\nX-Injected: 1",
    f"https://{HOST}/a%0d%0aGET / HTTP/1.1",
    f"https://{HOST} HTTP/1.1\r\nHost: x/a",
]
_USERINFO = [
    f"https://{user}@{host}/a"
    for user in ("user", "user:secret", ":secret", "127.0.0.1", "a%40b", "user:", "a:b:c")
    for host in (HOST, "127.0.0.1")
] + [
    f"https://{HOST}@127.0.0.1/a",
    f"https://127.0.0.1@{HOST}/a",
    f"https://{HOST}%40127.0.0.1/a",
    f"https://{HOST}\\@127.0.0.1/a",
    f"https://{HOST}:443@127.0.0.1/a",
    f"https://@{HOST}/a",
    f"https://a@b@{HOST}/a",
]
_PORTS = [
    f"https://{HOST}:{port}/a"
    for port in (
        "22",
        "25",
        "80",
        "8080",
        "6379",
        "6443",
        "-1",
        "65536",
        "99999999",
        "4 3",
        "0x1bb",
        "443:443",
        "44\u0663",
        "a",
        "+443x",
        "443.0",
    )
]
_ENDINGS = [
    f"https://{HOST}/a{ending}"
    for ending in (
        "?",
        "#",
        "?x=1",
        "#x",
        "?private_token=secret",
        "?service=git-upload-pack&x",
        "%3f\x00",
    )
]
_NAMES = [
    f"https://{host}/a"
    for host in (
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "foo.localhost",
            "a.b.localhost",
            "localhost.localdomain",
        ),
        *(
            "kubernetes",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ),
        *(
            "api.cluster.local.",
            "builds-api.builds-api.svc.cluster.local",
            "etcd.internal",
            "x.internal.",
        ),
        *(
            "metadata.google.internal",
            "printer.local",
            "1.0.0.127.in-addr.arpa",
            "metadata",
            "builds",
            "host",
        ),
        *(
            "-git.example.org",
            "git..example.org",
            ".example.org",
            "git.example.org..",
            "a" * 64 + ".org",
        ),
        *(
            "x" * 260 + ".org",
            "git_.-example.org-.",
            "git.exa%6dple.org",
            "*.example.org",
            "git.example.org,b",
        ),
        *(
            "git\u3002example\u3002org\x00",
            "\u2488",
            "xn--",
            "[git.example.org]",
            "[::1",
            "::1]",
            "[]",
            "[v1.x]",
        ),
        *(
            "[fe80::1%25eth0]",
            "[::1]x",
            "[1.2.3.4]",
            "git.example.org]",
            "%31%32%37.0.0.1",
            "127.0.0.1%00.org",
        ),
    )
]
_SHAPES = [
    "",
    " ",
    "https:",
    "https:/",
    "https://",
    "https:///a",
    "https:git.example.org/a",
    "https:/git.example.org/a",
    "//git.example.org/a",
    "git.example.org/a",
    "git.example.org",
    "https//git.example.org/a",
    "https://?x",
    "https://#x",
    f"https://{HOST}/" + "a" * 2048,
    "a" * 100_000,
]

NUMBERS = [
    f"{scheme}://{host}/a"
    for scheme in ("https", "http", "git")
    for host in (
        *(
            "2130706433",
            "0x7f000001",
            "0X7F000001",
            "017700000001",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "127.1",
        ),
        *(
            "127.0.1",
            "127.0.0.01",
            "127.000.000.001",
            "0",
            "0x0",
            "1.2.3.4.5",
            "4294967297",
        ),
        *(
            "\u0661\u0662\u0667.0.0.1",
            "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
            "127\u30020\u30020\u30021",
        ),
        *("\u2460\u2461\u2466.0.0.1", "\u2024127.0.0.1", "0x7f.1", "a.0x7f", "git.example.1"),
    )
]

ADDRESSES = [
    *(_OPTIONS + _HELPERS + _SCHEMES + _FILES + _SSH + _CHARACTERS + _LINES + _USERINFO),
    *(_PORTS + _ENDINGS + _NAMES + _SHAPES),
]

SPECIAL = [
    *(
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
    ),
    *(
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
    ),
    *(
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.1",
    ),
    *(
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *(
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
    ),
    *(
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
    ),
    *(
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
    ),
    *("ff02::1", "ff0e::1"),
]

_BAD_IN_REFS = (
    "\x00",
    "\r",
    "\n",
    "\t",
    "\x1b",
    "\x7f",
    " ",
    "~",
    "^",
    ":",
    "?",
    "*",
    "[",
    "\\",
    "..",
    "@{{",
    "//",
    "/.",
    "\u202e",
    "\u2028",
    "\ufeff",
)
REFS = [
    *_OPTIONS,
    *(f"ma{mark}in" for mark in _BAD_IN_REFS),
    *(f"main{mark}" for mark in _BAD_IN_REFS),
    *(
        "refs/../config",
        "refs/heads/../../config",
        "../HEAD",
        "../../etc/passwd",
        "refs/heads/..",
        "/etc/passwd",
    ),
    *(
        "{file}",
        "refs/heads/{file}",
        "main.lock",
        "refs/heads/a.lock/b",
        ".main",
        "refs/.hidden",
        "main.",
        "main/",
    ),
    *(
        "@",
        "@{{-1}}",
        "HEAD^",
        "HEAD~1",
        "main^{{}}",
        "main@{{upstream}}",
        "main:README",
        "v1..v2",
        "^main",
        "+main",
    ),
    *(
        "main:refs/heads/x",
        "refs/heads/*",
        "refs/*",
        "*",
        "refs/heads/ma?n",
        "[a-z]ain",
        "$(id)",
        "`id`",
        "$HOME",
    ),
    *(
        "; " + TOUCH,
        "| " + TOUCH,
        "&& " + TOUCH,
        "%0a",
        "%2e%2e",
        "\u212aelvin",
        "ma\u0131n",
        "ｍａｉｎ",
        "main\u0301",
    ),
    *(
        "a" * 256,
        "a" * 100_000,
        "refs/heads/" + "a/" * 130,
        "abc123",
        "g" * 40,
        "0" * 39,
        "semver:",
        "tag:",
        "semver:>>1",
    ),
    *(
        "refs/heads/heads/main",
        "heads/main",
        "tags/main",
        "origin/main",
        "refs/remotes/origin/main",
        "FETCH_HEAD",
    ),
    *(
        "ref-prefix refs/",
        "0000",
        "0001",
        "main\n0000",
        "command=ls-refs",
        "peel",
        "symrefs",
        "refs/heads/main\n",
    ),
]

"""Secrets in command lines, taken out before they are written.

The shapes are those in which people pass secrets as arguments: long flags and assignments whose *name* says so, short flags
of programs known for them, user and password in URLs, headers, and tokens that look like one. A bare ``-p x`` counts as a
password unless ``x`` is a number, an address, a path or a flag, or the program means something else by it. In doubt a word is hidden:
a recording travels further than a screen.

What cannot be seen: arguments arrive joined by spaces, so of a secret that holds spaces only the first word is known, and a
secret passed as a plain argument looks like any other word.
"""

from __future__ import annotations

import re
from functools import lru_cache

from proctop.sanitize import LONGEST_COMMAND

MASK = "***"

_NAME = (
    r"(?:password|passwd|passphrase|secret|token|credentials?|bearer|psk|(?:api|access|secret|private|encryption|account|shared|storage|signing|master)[-_.]?key(?:[-_]base)?"
    r"|(?:require|db|user|admin|root|key|store|smtp|mail|proxy|bind|master)pass|(?:require|master)auth|(?:^|(?<=[-_.:]))(?:pass|pwd|pw|pin)|(?-i:(?<=[a-z])(?:Pass|Pwd)))"
)
_LONGEST_NAME = 40  # characters at the end of a name that are looked at
_SECRET_NAME = re.compile(rf"{_NAME}\Z", re.IGNORECASE)
_ASSIGNED_NAME = re.compile(rf"(?:{_NAME}|[-_.]auth|(?<=mysql_)pwd)\Z", re.IGNORECASE)
_NOT_SECRET = re.compile(r"(?:OLD)?PWD\Z|--?(?:no|ask|prompt|show|reset|change|generate|allow-empty)[-_]", re.IGNORECASE)

_URL = re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]*):[^\s/]*@(?=[^\s/@])", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;])([\w.-]*?(?:password|passwd|secret|token|key|sig|signature|pwd|auth|code))=[^&;\s\"']+", re.IGNORECASE)
_JSON = re.compile(rf"({_NAME}[\"']?\s?:\s?)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization:\s*(?:bearer|basic|digest|token|apikey)?|x-[\w-]{0,24}(?:key|token|secret)[\w-]{0,8}:|(?:set-)?cookie:|private-token:)\s*[^\s\"']+",
    re.IGNORECASE,
)
_SHAPE = re.compile(
    r"(?<![\w-])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?:sk|rk|pk)[-_](?:live|test|ant|proj)[-_][\w-]{10,}|sk-[A-Za-z0-9]{20,}|hv[sb]\.[\w-]{20,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}"
    r"|dop_v1_[0-9a-f]{40,}|SG\.[\w-]{16,}\.[\w-]{16,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_NAME_HINTS = ("pass", "pwd", "pw", "secret", "token", "key", "cred", "bearer", "psk", "auth", "pin", "cookie", "code", "sig")
_SHAPE_HINTS = (
    "gh",
    "glpat-",
    "xox",
    "KIA",
    "SIA",
    "AIza",
    "eyJ",
    "sk",
    "rk",
    "pk",
    "hvs.",
    "hvb.",
    "npm_",
    "hf_",
    "dop_v1_",
    "SG.",
    "-----BEGIN",
)
"""Without one of these in it, no name of a secret and no token can match: most command lines are done with quickly."""
_HARMLESS_P = re.compile(r"(?:\[[\da-fA-F:.]+\]:)?[\d.,:/-]*\d(?:/(?:tcp|udp|sctp))?\Z|[~.]{0,2}/|\.{1,2}\Z|[-$<>|]")


def _table(rows: dict[str, str]) -> dict[str, frozenset[str]]:
    """Programs by the flags that they take."""
    return {name: frozenset(flags.split()) for names, flags in rows.items() for name in names.split()}


_WHOLE = _table(
    {
        "sshpass docker-login mongo mongosh mongodump mongorestore mongoexport mongoimport": "-p",
        "redis-cli valkey-cli": "-a",
        "ipmitool zip unzip sqlcmd bcp mosquitto_pub mosquitto_sub": "-P",
        "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd ldapcompare": "-w",
        "snmpwalk snmpget snmpset": "-A -X -c",
        "nmcli": "password wifi-sec.psk",
        "openssl": "-k -K",
        "ssh-keygen": "-N -P",
        "aws": "aws_secret_access_key aws_session_token",
    }
)
"""Flags whose value is a secret, whether the next word or attached, as in ``-psecret``."""
_ATTACHED = _WHOLE | _table(
    {"mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlsh mariadb mariadb-dump mariadb-admin 7z 7za 7zr rar unrar": "-p"}
)
"""And those whose value is one only when attached: ``mysql -p shop`` asks for it."""
_USER = _table(
    {"curl": "-u --user -U --proxy-user", "http https": "-a --auth", "smbclient rpcclient": "-U --user", "lftp": "-u --user", "ab": "-A -P"}
)
"""Flags that take user and password, with one of these between the two:"""
_BETWEEN = {"smbclient": "%", "rpcclient": "%", "lftp": ","}
_OTHER_P = _table(
    {
        "mkdir cp mv install rsync tar scp sftp ssh mosh autossh telnet nc ncat nmap": "-p",
        "ps top htop atop btop proctop pidstat iotop perf strace ltrace gdb kill lsof fuser ss netstat taskset renice ionice chrt": "-p",
        "docker podman nerdctl kubectl helm terraform ansible ansible-playbook systemctl journalctl tmux screen iptables": "-p",
        "cargo npm npx yarn pnpm tsc node python python3 perl ruby make ninja git gcc g++ cc clang ld patch rpm dpkg": "-p",
        "bash sh zsh dash ksh sudo su find grep sed awk read trap declare export touch": "-p",
        "nginx apachectl postgres pg_ctl psql pg_dump pg_restore redis-server uvicorn gunicorn flask": "-p",
    }
)
"""Programs that mean something else by it: parents, a port, a pid, a profile."""
_KNOWN = frozenset(_OTHER_P).union(_ATTACHED, _USER)


@lru_cache(maxsize=4096)
def redact(command: str) -> str:
    """``command`` with each secret replaced by ``***``.

    >>> redact("mysql -u root -phunter2 shop")
    'mysql -u root -p*** shop'
    >>> redact("docker run -p 8080:80 nginx")
    'docker run -p 8080:80 nginx'
    """
    if len(command) >= LONGEST_COMMAND:  # its end is cut off: half a secret no longer looks like one
        command = command[: command.rfind(" ") + 1]
    if any(hint in command for hint in _SHAPE_HINTS):
        command = _SHAPE.sub(MASK, command)
    if "://" in command:
        command = _URL.sub(rf"\1:{MASK}@", command)
    small = command.lower()
    named = any(hint in small for hint in _NAME_HINTS)
    if named:
        command = _PARAMETER.sub(rf"\1={MASK}", command)
        command = _HEADER.sub(rf"\1 {MASK}", command)
        command = _JSON.sub(rf'\1"{MASK}"', command)
    words = command.split(" ")
    program = ""
    hide = ""  # the flag whose value the next word is
    for i, word in enumerate(words):
        if hide:
            hide, flag = "", hide
            if word and not (word.startswith("-") and len(word) > 1):
                words[i] = _hidden(program, flag, word)
                continue
        program = _program(word, program)
        words[i], hide = _one(program, word, named)
    return " ".join(words)


def _program(word: str, program: str) -> str:
    """The program that flags after ``word`` belong to: wrappers such as sudo and env come before the one they run."""
    name = word.rpartition("/")[2].rstrip(":")
    if name == "login" and program in ("docker", "podman", "nerdctl"):
        return "docker-login"
    return name if name in _KNOWN else program


def _one(program: str, word: str, named: bool) -> tuple[str, str]:
    """``word`` without its secret, and the flag if the next word is its value. ``named``: some word may name a secret."""
    name, equals, value = word.partition("=")
    if equals:
        if not value or _NOT_SECRET.match(name):
            return word, ""
        if named and _ASSIGNED_NAME.search(name[-_LONGEST_NAME:]):
            return f"{name}={MASK}", ""
        if program in _USER and name in _USER[program]:
            return f"{name}={_hidden(program, name, value)}", ""
        if name.startswith("-") and "=" in value:  # --set=auth.password=x
            return f"{name}={_one(program, value, named)[0]}", ""
        return word, ""
    if word.startswith("pass:") and len(word) > 5:  # openssl
        return f"pass:{MASK}", ""
    if word[:3].lower() == "/p:" and len(word) > 3:  # xfreerdp
        return f"{word[:3]}{MASK}", ""
    if word.startswith("--"):
        wanted = (named and _names_secret(word)) or (program in _USER and word in _USER[program])
        return word, word if wanted else ""
    if word in _WHOLE.get(program, ()) or (program in _USER and word in _USER[program]):
        return word, word
    if word == "-p" and program not in _KNOWN:
        return word, word
    if word.startswith("-") and len(word) > 2:
        if word[:2] in _ATTACHED.get(program, ()):
            return f"{word[:2]}{MASK}", ""
        if program in _USER and word[:2] in _USER[program]:
            return word[:2] + _hidden(program, word[:2], word[2:]), ""
        if named and _names_secret(word):  # -password x
            return word, word
    return word, ""


def _names_secret(flag: str) -> bool:
    return _SECRET_NAME.search(flag[-_LONGEST_NAME:]) is not None and not _NOT_SECRET.match(flag)


def _hidden(program: str, flag: str, value: str) -> str:
    """``value`` of ``flag`` without its secret."""
    if program in _USER and flag in _USER[program]:
        user, between, secret = value.partition(_BETWEEN.get(program, ":"))
        return f"{user}{between}{MASK}" if secret else value
    if flag == "-p" and flag not in _WHOLE.get(program, ()) and _HARMLESS_P.match(value):
        return value
    return MASK

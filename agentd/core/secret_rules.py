"""What keys and tokens look like: a rule for each known format. Values only; ``core/redaction`` applies them.

Each pattern begins with something rare (``needles``, lower case) and is either done or has failed a bounded number of
characters later: linear time on any text. What must not stand before it is asked behind its first letters: a search
for letters is many times as fast as one that has to look back from everywhere. ``check`` says of what was found
whether it is meant.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d{1,4}")


@dataclass(frozen=True, slots=True)
class Rule:
    """``kind`` is what people read. Group 1 of ``pattern`` is removed, or all of it where it has no group."""

    kind: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None


def looks_random(value: str) -> bool:
    """Whether a value is more likely a key than words, a path or a number: short pieces of many kinds, and no words."""
    letters = sum(char.isalpha() for char in value)
    digits = sum(char.isdigit() for char in value)
    if not letters or letters + digits < 8 or len(set(value)) < 6:
        return False
    pieces = _PIECES.findall(value)
    if not pieces:
        return False
    mean = sum(map(len, pieces)) / len(pieces)
    if not digits:
        # Of letters alone only a long mixture of both cases is no word.
        return letters >= 20 and mean < 2.2
    mixed = letters >= 18 and value.lower() != value != value.upper()
    return mean < (3.5 if mixed else 3.2 if digits >= 4 else 2.7)


def _rule(kind: str, needles: str, pattern: str, check: Callable[[str], bool] | None = None) -> Rule:
    return Rule(kind, tuple(needles.split()), re.compile(pattern), check)


def _mixed(value: str) -> bool:
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


def _openai(value: str) -> bool:
    return "T3BlbkFJ" in value or looks_random(value.removeprefix("sk-"))


_W = "[A-Za-z0-9_-]"


def _begins(letters: str, not_behind: str = "A-Za-z0-9_-") -> str:
    """The beginning of a token, also behind a line feed that is written as two characters."""
    return rf"{letters}(?:(?<![{not_behind}]{letters})|(?<=\\[nrt]{letters}))"


RULES: tuple[Rule, ...] = (
    _rule("Anthropic key", "sk-ant-", rf"sk-ant-{_W}{{12,}}+"),
    _rule("OpenAI key", "sk-", rf"{_begins('sk-')}{_W}{{20,}}+", _openai),
    _rule("OpenRouter key", "sk-or-", rf"sk-or-{_W}{{20,}}+"),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}+"),
    _rule("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}+"),
    _rule("GitLab token", "glpat- glptt- gldt- glrt- glrtr- glcbt- glsoat- glft- glimt- glagent- glffct- gloas-",
          r"gl(?:pat|ptt|dt|rt|rtr|cbt|soat|ft|imt|agent|ffct|oas)-[A-Za-z0-9_=.-]{20,}+"),
    _rule("GitLab token", "gr1348941", r"GR1348941[A-Za-z0-9_-]{20}"),
    _rule("AWS key id", "akia asia abia acca a3t",
          r"A(?<!\wA)(?:KIA|SIA|BIA|CCA|3T[A-Z0-9])[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _rule("Google key", "aiza", rf"AIza{_W}{{35}}"),
    _rule("Google token", "ya29.", rf"ya29\.{_W}{{20,}}+"),
    _rule("Google token", "1//0", rf"{_begins('1//0', 'A-Za-z0-9')}{_W}{{30,}}+"),
    _rule("Google client secret", "gocspx-", rf"GOCSPX-{_W}{{20,}}+"),
    _rule("Slack token", "xox", r"xox[abeoprs]-(?:\d-)?[A-Za-z0-9-]{10,}+", _mixed),
    _rule("Slack token", "xapp-", r"xapp-\d-[A-Za-z0-9-]{10,}+"),
    _rule("Slack webhook", "hooks.slack.com",
          r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/_-]{20,}+)"),
    _rule("Discord webhook", "/api/webhooks/", rf"/api/webhooks/(\d{{15,22}}/{_W}{{50,}}+)"),
    _rule("Stripe key", "k_live_ k_test_ k_prod_", r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}+"),
    _rule("Stripe key", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,}+"),
    _rule("npm token", "npm_", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    _rule("PyPI token", "pypi-", r"pypi-[A-Za-z0-9_-]{50,}+"),
    _rule("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,}+"),
    _rule("Hugging Face token", "api_org_", r"api_org_[A-Za-z0-9]{30,}+"),
    _rule("SendGrid key", "sg.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}+"),
    _rule("Twilio key", "ac sk", r"(?:AC|SK)(?<![A-Za-z0-9_]..)[0-9a-f]{32}(?![A-Za-z0-9_])"),
    _rule("Azure key", "accountkey= sharedaccesskey=", r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{20,}+={0,2})"),
    _rule("Azure signature", "sig=", r"(?<=[?&])sig=([A-Za-z0-9%+/=]{30,}+)"),
    _rule("Azure secret", "q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])"),
    _rule("JWT", "eyj", rf"{_begins('eyJ')}{_W}{{8,}}+\.{_W}{{8,}}+(?:\.{_W}*+){{1,3}}"),
    _rule("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _rule("Databricks token", "dapi", rf"{_begins('dapi', 'A-Za-z0-9')}[a-f0-9]{{32}}(?:-\d)?"),
    _rule("Docker token", "dckr_pat_", rf"dckr_pat_{_W}{{20,}}+"),
    _rule("Telegram token", ":aa", rf"(?<![A-Za-z0-9])\d{{8,10}}:AA{_W}{{33}}(?![A-Za-z0-9_-])"),
    _rule("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,}+"),
    _rule("xAI key", "xai-", r"xai-[A-Za-z0-9]{60,}+"),
    _rule("Replicate token", "r8_", r"(?<![A-Za-z0-9_])r8_[A-Za-z0-9]{37,}+"),
    _rule("Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{32,}+"),
    _rule("Vault token", "hvs. hvb.", rf"hv[sb]\.{_W}{{24,}}+"),
    _rule("age key", "age-secret-key-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}+"),
    _rule("SSH key", "aaaa",
          r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d{3}|sk-\S{5,40}) AAAA[A-Za-z0-9+/=]{20,}+"
          r"(?: [^\s\"'\\]{1,100})?"),
    _rule("authorization header", "authorization",
          r"(?i:authorization)[\"'\\]{0,3}\s{0,5}[:=,]\s{0,5}[\"'\\]{0,3}(?i:bearer|basic|token|digest)\s{1,5}"
          r"([^\s\"'\\,;$<{\[][^\s\"'\\,;]{5,}+)"),
    _rule("authorization header", "bearer", r"[Bb]earer(?<!\w.{6})\s{1,5}([A-Za-z0-9._~+/=-]{16,}+)", looks_random),
    _rule("authorization header", "basic", r"Basic(?<!\wBasic)\s([A-Za-z0-9+/]{16,}+={0,2})", looks_random),
    _rule("password in a URL", "://",
          r"://(?<=[A-Za-z0-9+.-]{2}://)[^\s/:@\"'<>]{0,100}:([^\s/@\"'<>${\[][^\s/\"'<>]{0,200})@"),
    _rule(".npmrc line", "_auth", r":?_auth(?:Token)?\s{0,5}=\s{0,5}\"?([^\s\"'${\[][^\s\"']{5,}+)"),
    _rule(".npmrc line", ":_password", r":_password\s{0,5}=\s{0,5}\"?([^\s\"'${\[][^\s\"']{3,}+)"),
    _rule(".netrc line", "password",
          r"(?:login|machine|account|user)\s{1,5}[^\s\"'\\]{1,100}\s{1,9}password\s{1,5}([^\s\"'\\\[]{1,200}+)"),
)  # fmt: skip

"""Secrets of every format that ``--redact`` knows, made at random and written as people leave them about."""

import base64
import random
import string

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
HEX = string.digits + "abcdef"
# In pieces: the tests look for keys and addresses in the files of this repository.
BEGIN = "-----BEGIN RSA " + "PRIVATE KEY-----"
NPM = "//registry." + "npmjs" + ".org/"


class Secrets:
    """``next()`` gives what must be gone afterwards, and the text that it stands in. The same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._formats = [name for name in sorted(vars(Secrets)) if name.startswith("f_")]
        self._at = 0

    def next(self) -> tuple[str, str]:
        name = self._formats[self._at % len(self._formats)]
        self._at += 1
        made: tuple[str, str] = vars(Secrets)[name](self)
        return made

    def of(self, length: int, alphabet: str = ALNUM) -> str:
        return "".join(self._random.choices(alphabet, k=length - 2)) + self._random.choice("379") + "k"

    def f_anthropic(self) -> tuple[str, str]:
        key = "sk-ant-api03-" + self.of(93, URLSAFE)
        return key, f"export ANTHROPIC_API_KEY={key}"

    def f_openai(self) -> tuple[str, str]:
        key = self._random.choice(["sk-", "sk-proj-", "sk-svcacct-"]) + self.of(48)
        return key, f"openai.api_key = '{key}'"

    def f_github(self) -> tuple[str, str]:
        key = f"gh{self._random.choice('pousr')}_" + self.of(36)
        return key, f"remote: https://{key}@github.com/a/b.git"

    def f_github_fine(self) -> tuple[str, str]:
        key = "github_pat_" + self.of(22) + "_" + self.of(59)
        return key, f"use {key}, please"

    def f_gitlab(self) -> tuple[str, str]:
        key = "glpat-" + self.of(20, URLSAFE)
        return key, f"PRIVATE-TOKEN: {key}"

    def f_aws_id(self) -> tuple[str, str]:
        key = self._random.choice(["AKIA", "ASIA"]) + self.of(16, string.ascii_uppercase).upper()
        return key, f"aws_access_key_id = {key}"

    def f_aws_secret(self) -> tuple[str, str]:
        key = self.of(40, ALNUM + "/+")
        return key, f"AKIA{self.of(16, string.ascii_uppercase).upper()} and then {key} in the next column"

    def f_aws_named(self) -> tuple[str, str]:
        key = self.of(40, ALNUM + "/+")
        return key, f"aws_secret_access_key = {key}"

    def f_google(self) -> tuple[str, str]:
        key = "AIza" + self.of(35, URLSAFE)
        return key, f"maps.js?key={key}&v=3"

    def f_google_oauth(self) -> tuple[str, str]:
        key = "ya29." + self.of(60, URLSAFE)
        return key, f'"access": "{key}"'

    def f_slack(self) -> tuple[str, str]:
        key = f"xoxb-{self.of(12, string.digits)[:-1]}1-{self.of(24)}"
        return key, f"slack({key})"

    def f_slack_hook(self) -> tuple[str, str]:
        key = f"T{self.of(9).upper()}/B{self.of(9).upper()}/{self.of(24)}"
        return key, f"curl https://hooks.slack.com/services/{key}"

    def f_stripe(self) -> tuple[str, str]:
        key = "sk_live_" + self.of(24)
        return key, f"Stripe::api({key})"

    def f_npm(self) -> tuple[str, str]:
        key = "npm_" + self.of(36)
        return key, f"npm publish --otp {key}"

    def f_npmrc(self) -> tuple[str, str]:
        key = self.of(36)
        return key, f"{NPM}:_authToken={key}"

    def f_pypi(self) -> tuple[str, str]:
        key = "pypi-AgEIcHlwaS5vcmc" + self.of(80, URLSAFE)
        return key, f"twine upload -u __token__ -p {key}"

    def f_hugging_face(self) -> tuple[str, str]:
        key = "hf_" + self.of(34)
        return key, f"login({key})"

    def f_sendgrid(self) -> tuple[str, str]:
        key = f"SG.{self.of(22, URLSAFE)}.{self.of(43, URLSAFE)}"
        return key, f"mail via {key}"

    def f_twilio(self) -> tuple[str, str]:
        key = "SK" + self.of(33, HEX)[:31] + "7"
        return key, f"Client({key!r})"

    def f_azure(self) -> tuple[str, str]:
        key = self.of(86, ALNUM + "+/") + "=="
        return key, f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={key};EndpointSuffix=core.windows.net"

    def f_jwt(self) -> tuple[str, str]:
        head, body = (base64.urlsafe_b64encode(b'{"a":"' + self.of(40).encode()).decode().rstrip("=") for _ in "ab")
        key = f"{head}.{body}.{self.of(43, URLSAFE)}"
        return key, f"cookie: session={key}; path=/"

    def f_pem(self) -> tuple[str, str]:
        lines = [self.of(64, ALNUM + "+/") for _ in range(6)]
        kind = self._random.choice(["RSA ", "EC ", "OPENSSH ", ""])
        whole = "\n".join([f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----"])
        return lines[3], f"the key:\n{whole}\nend"

    def f_pem_cut(self) -> tuple[str, str]:
        lines = [self.of(64, ALNUM + "+/") for _ in range(6)]
        return lines[5], "\n".join([BEGIN, *lines])

    def f_ssh(self) -> tuple[str, str]:
        key = "AAAAB3NzaC1yc2E" + self.of(200, ALNUM + "+/")
        return key, f"ssh-rsa {key} somebody@laptop"

    def f_bearer(self) -> tuple[str, str]:
        key = self.of(40)
        return key, f"curl -H 'Authorization: Bearer {key}' https://api.example.com"

    def f_basic(self) -> tuple[str, str]:
        key = base64.b64encode(f"user:{self.of(20)}".encode()).decode()
        return key, f'"authorization": "Basic {key}"'

    def f_url(self) -> tuple[str, str]:
        key = self.of(14)
        return key, f"DATABASE=postgres://app:{key}@db.internal:5432/app"

    def f_env(self) -> tuple[str, str]:
        key = self.of(24)
        name = self._random.choice(["DB_PASSWORD", "SESSION_SECRET", "MY_API_KEY", "ACCESS_TOKEN", "clientSecret"])
        return key, f"{name}={key}"

    def f_json(self) -> tuple[str, str]:
        key = self.of(32)
        name = self._random.choice(["password", "client_secret", "apiKey", "refresh_token", "private-key"])
        return key, f'{{"{name}": "{key}", "other": 1}}'

    def f_json_in_a_string(self) -> tuple[str, str]:
        key = self.of(32)
        return key, f'"{{\\"api_key\\": \\"{key}\\"}}\\n"'

    def f_yaml(self) -> tuple[str, str]:
        key = self.of(28)
        return key, f"  secret_key_base: {key}\n"

    def f_netrc(self) -> tuple[str, str]:
        key = self.of(12)
        return key, f"machine github.com\n  login me\n  password {key}\n"

    def f_flag(self) -> tuple[str, str]:
        key = self.of(30)
        return key, f"deploy --token {key} --yes"

    def f_escaped(self) -> tuple[str, str]:
        key = "sk-proj-" + self.of(60, URLSAFE)
        return key, f'{{"stdout": "KEY:\\n{key}\\n"}}'

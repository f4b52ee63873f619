"""A small HTTP client with cookies: as much of a browser as the day needs."""

import http.client
import json
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 30


class UnexpectedAnswerError(Exception):
    """The server answered with another status than the scenario expects."""


@dataclass(frozen=True)
class Answer:
    status: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """One person's browser, or one integration's HTTP library.

    It keeps cookies and sends Django's CSRF token back, and it opens a
    connection for each request, so that any worker may answer.
    """

    def __init__(self, base_url: str, user_agent: str) -> None:
        self._address = urlsplit(base_url).netloc
        self._headers = {"User-Agent": user_agent}
        self._cookies: dict[str, str] = {}

    def use_token(self, token: str) -> None:
        self._headers["Authorization"] = f"Token {token}"

    @property
    def is_signed_in(self) -> bool:
        return "sessionid" in self._cookies

    def get(self, path: str, *, expect: int = 200) -> Answer:
        return self._send("GET", path, None, {}, expect)

    def send_json(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Answer:
        payload = json.dumps({} if body is None else body)
        return self._send(method, path, payload, {"Content-Type": "application/json"}, expect)

    def send_form(self, path: str, fields: list[tuple[str, str]], *, expect: int) -> Answer:
        content_type = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", path, urlencode(fields), content_type, expect)

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str], expect: int
    ) -> Answer:
        headers = {**self._headers, **headers}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        if "csrftoken" in self._cookies:
            headers["X-CSRFToken"] = self._cookies["csrftoken"]
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            self._keep_cookies(response.headers.get_all("Set-Cookie", []))
            answer = Answer(response.status, response.read().decode())
        finally:
            connection.close()
        if answer.status != expect:
            raise UnexpectedAnswerError(
                f"{method} {path}: expected {expect}, got {answer.status}: {answer.text[:500]}"
            )
        return answer

    def _keep_cookies(self, headers: list[str]) -> None:
        for header in headers:
            for name, morsel in SimpleCookie(header).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self._cookies.pop(name, None)
                else:
                    self._cookies[name] = morsel.value

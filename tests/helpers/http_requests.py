"""Requests over HTTP: status, headers and body, errors among them."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import Request, urlopen


def fetched(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urlopen(Request(url, headers=headers)) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()

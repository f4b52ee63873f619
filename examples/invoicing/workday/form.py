"""Reads an HTML form the way a browser would submit it."""

from html.parser import HTMLParser

Attributes = list[tuple[str, str | None]]


def filled_fields(html: str, form_id: str) -> list[tuple[str, str]]:
    """Return the names and values of the form `form_id`, as it was filled in by the server."""
    reader = _FormReader(form_id)
    reader.feed(html)
    if not reader.found:
        raise ValueError(f"the page has no form {form_id!r}")
    return reader.fields


class _FormReader(HTMLParser):
    def __init__(self, form_id: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.found = False
        self._form_id = form_id
        self._inside = False
        self._select: str | None = None
        self._textarea: str | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = dict(attrs)
        if tag == "form":
            self._inside = given.get("id") == self._form_id
            self.found |= self._inside
        if not self._inside or "disabled" in given:
            return
        name = given.get("name")
        if tag == "input" and name and self._is_submitted(given):
            self.fields.append((name, given.get("value") or ""))
        elif tag == "textarea" and name:
            self._textarea, self._text = name, []
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.fields.append((self._select, given.get("value") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._textarea:
            # HTML drops the newline that directly follows the opening tag.
            self.fields.append((self._textarea, "".join(self._text).removeprefix("\n")))
            self._textarea = None

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self._text.append(data)

    @staticmethod
    def _is_submitted(given: dict[str, str | None]) -> bool:
        kind = given.get("type", "text")
        if kind in {"checkbox", "radio"}:
            return "checked" in given
        return kind not in {"submit", "button", "reset", "image", "file"}

"""What a page of ours may hold, as its policy has it."""

from html.parser import HTMLParser


class Inline(HTMLParser):
    """Collects what a page's policy forbids, and where the page points."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.forbidden += [name for name in names if name == "style" or name.startswith("on")]
        self.forbidden += [tag] if tag == "style" or (tag == "script" and "src" not in names) else []
        self.targets += [target for name in ("src", "href") if (target := names.get(name))]

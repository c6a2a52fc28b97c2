"""Markdown -> HTML: CommonMark and tables, as the manual and the model cards are written.

HTML inside of a text is shown, not obeyed: a card may be a stranger's.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

Link = Callable[[str], str | None]

_RENDERER = RendererHTML()
_PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")
LONG_CODE = 20  # characters of code in a line, above which it may break within
_PARTS = re.compile(r"(?<=[/?&;,=_.:])(?=[\w{<])")  # where it may: behind what separates its parts
_SENTENCE = re.compile(r".+?[.:](?=\s+[A-Z(]|\s*$)", re.DOTALL)


class Article(NamedTuple):
    """A rendered text.

    Args:
        title: its first heading, as plain text; empty if it has none.
        summary: the first sentence of its first paragraph, as plain text.
        html: all of it, or what stands below the first heading.
    """

    title: str
    summary: str
    html: str


def render(text: str, link: Link = lambda address: address, below_title: bool = False) -> Article:
    """Return a Markdown text as HTML whose headings can be linked to, by the same names as on GitHub.

    Args:
        text: CommonMark with tables.
        link: an address as the text has it -> the address for the page, None: there is nothing. Then the
            words of a link stay, and of a picture its description.
        below_title: leave out the first heading.
    """
    tokens = _PARSER.parse(text)
    _name_headings(tokens)
    _name_tables(tokens)
    for token in tokens:
        if "style" in token.attrs:  # alignment; a page's policy takes no style in place
            token.attrs = {"class": str(token.attrs["style"]).partition(":")[2]}
        if token.children:
            token.children = _relinked(token.children, link)
    title = next(_texts(tokens, "heading_open"), "")
    paragraph = next(_texts(tokens, "paragraph_open"), "")
    sentence = _SENTENCE.match(paragraph)
    if below_title and tokens and tokens[0].tag == "h1":
        tokens = tokens[3:]
    html: str = _PARSER.renderer.render(tokens, _PARSER.options, {})
    summary = sentence[0].removesuffix(":") if sentence else paragraph
    return Article(title, summary, html)


def inline(text: str) -> str:
    """Return a Markdown text without blocks, as a description of a parameter is, as HTML."""
    html: str = _PARSER.renderInline(text)
    return html


def _texts(tokens: list[Token], opening: str) -> "filter[str]":
    """Return the plain texts of all blocks that begin with a kind of token."""
    pairs = itertools.pairwise(tokens)
    return filter(None, (_plain(text) for token, text in pairs if token.type == opening and not token.level))


def _plain(inline: Token) -> str:
    """Return the words of a paragraph or a heading."""
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content for child in inline.children or ()
    )


def _name_headings(tokens: list[Token]) -> None:
    """Give each heading an id: its words in lower case with hyphens between them, numbered if taken."""
    taken: Counter[str] = Counter()
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            name = re.sub(r"[^\w\- ]", "", _plain(inline).strip().lower()).replace(" ", "-")
            heading.attrs["id"] = f"{name}-{taken[name]}" if taken[name] else name
            taken[name] += 1


def _name_tables(tokens: list[Token]) -> None:
    """Give each table the words of the heading above it; a column's heading that is empty becomes a cell."""
    heading = ""
    for token, inline, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.type == "heading_open":
            heading = _plain(inline)
        elif token.type == "table_open":
            token.meta["label"] = f"Table: {heading}" if heading else "Table"
        elif token.type == "th_open" and not inline.content:
            token.tag = after.tag = "td"


def _pre(_: RendererHTML, tokens: list[Token], number: int, options: Any, env: Any) -> str:
    """Return a block of code; it may scroll, so a keyboard must reach it."""
    rule = _RENDERER.fence if tokens[number].type == "fence" else _RENDERER.code_block
    return rule(tokens, number, options, env).replace("<pre", '<pre tabindex="0"', 1)


def _code(_: RendererHTML, tokens: list[Token], number: int, *_options: Any) -> str:
    """Return code in a line; long code may break between its parts, lest it widen a column."""
    content = tokens[number].content
    parts = _PARTS.split(content) if len(content) > LONG_CODE else [content]
    return f"<code>{'<wbr>'.join(map(escapeHtml, parts))}</code>"


def _table(_: RendererHTML, tokens: list[Token], number: int, *_options: Any) -> str:
    """Return the beginning of a table; it may scroll, so it is in a part that a keyboard reaches."""
    label = escapeHtml(tokens[number].meta["label"])
    return f'<div class="scroll" role="group" aria-label="{label}" tabindex="0"><table>\n'


def _end_of_table(_: RendererHTML, *_options: Any) -> str:
    return "</table></div>\n"


for _name, _rule in (
    ("fence", _pre),
    ("code_block", _pre),
    ("code_inline", _code),
    ("table_open", _table),
    ("table_close", _end_of_table),
):
    _PARSER.add_render_rule(_name, _rule)


def _relinked(tokens: list[Token], link: Link) -> list[Token]:
    """Return a line's tokens with the addresses that a page has; without links that lead nowhere."""
    kept: list[Token] = []
    left_out = False  # links do not nest
    for token in tokens:
        if token.type == "link_close" and left_out:
            left_out = False
            continue
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            address = link(str(token.attrs[name]))
            if address is None and token.type == "image":
                kept.append(Token("text", "", 0, content=token.content))
                continue
            if address is None:
                left_out = True
                continue
            token.attrs[name] = address
        kept.append(token)
    return kept

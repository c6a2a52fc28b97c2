import pytest

from app.http.markdown import inline, render


def test_a_text_has_a_title_a_summary_and_html():
    article = render("# A `b` *c*\n\nOne thing. And another.\n\n- x\n")
    assert article.title == "A b c"
    assert article.summary == "One thing."
    assert "<li>x</li>" in article.html


@pytest.mark.parametrize(
    ("paragraph", "summary"),
    [
        ("Costs 2.5 s. Or more.", "Costs 2.5 s."),
        ("Two\nlines of one sentence: rest. More.", "Two lines of one sentence: rest."),
        ("It follows:", "It follows"),
        ("After `. .venv/bin/activate` it runs. Then", "After . .venv/bin/activate it runs."),
        ("no end", "no end"),
    ],
)
def test_the_summary_is_the_first_sentence(paragraph, summary):
    assert render(f"# T\n\n{paragraph}\n").summary == summary


def test_a_text_of_nothing_is_nothing():
    assert render("") == ("", "", "")


def test_the_title_can_be_left_out():
    assert render("# T\n\nx\n", below_title=True).html == "<p>x</p>\n"
    assert render("## T\n\nx\n", below_title=True).html.startswith('<h2 id="t">')


def test_headings_are_named_as_on_github_and_names_differ():
    html = render("# What `n` is, and why\n\n## a_b c-d\n\n## Same\n\n## Same\n").html
    for name in ("what-n-is-and-why", "a_b-c-d", "same", "same-1"):
        assert f'id="{name}"' in html


def test_html_and_scripts_within_a_text_are_shown_and_not_obeyed():
    html = render("<script>alert(1)</script> <b onclick='x'>b</b> [x](javascript:alert(1))\n").html
    assert "<script" not in html
    assert "<b" not in html
    assert "href" not in html


def test_columns_are_aligned_by_class_as_the_policy_takes_no_style():
    html = render("|a|b|c|\n|-:|:-:|-|\n|1|2|3|\n").html
    assert "style" not in html
    assert '<td class="right">1</td>' in html
    assert '<td class="center">2</td>' in html
    assert "<td>3</td>" in html


def test_links_and_pictures_have_the_addresses_that_the_page_gives_them():
    html = render("[a](x.md#y) ![b](c.png)\n", {"x.md#y": "x#y", "c.png": "d.png"}.get).html
    assert '<a href="x#y">a</a>' in html
    assert 'src="d.png"' in html


def test_of_a_link_that_leads_nowhere_the_words_stay():
    html = render("see [the *code*](x.py) and [more](y), ![a drawing](z.png)\n", {"y": "y"}.get).html
    assert html == '<p>see the <em>code</em> and <a href="y">more</a>, a drawing</p>\n'


def test_long_code_may_break_between_its_parts_and_short_code_never():
    html = render("`/manifold/{identifier}/{region}/{size}?a=b&c=<d>` and `low`, `min_temperature`\n").html
    assert (
        "<code>/<wbr>manifold/<wbr>{identifier}/<wbr>{region}/<wbr>{size}?<wbr>a=<wbr>b&amp;<wbr>c=<wbr>&lt;d&gt;</code>"
        in html
    )
    assert "<code>low</code>" in html
    assert "<code>min_temperature</code>" in html


def test_tables_and_code_which_may_scroll_are_reached_by_the_keyboard():
    html = render("## Its <a> & b\n\n|x|\n|-|\n|1|\n\n```\ncode\n```\n\n    more\n").html
    assert (
        '<div class="scroll" role="group" aria-label="Table: Its &lt;a&gt; &amp; b" tabindex="0"><table>'
        in html
    )
    assert html.count("</table></div>") == 1
    assert '<pre tabindex="0"><code>code\n</code></pre>' in html
    assert '<pre tabindex="0"><code>more\n</code></pre>' in html
    assert 'aria-label="Table"' in render("|x|\n|-|\n|1|\n").html


def test_a_column_without_a_heading_has_no_heading_for_screen_readers_either():
    html = render("| |b|\n|-|-|\n|1|2|\n").html
    assert "<td></td>\n<th>b</th>" in html


def test_a_line_is_rendered_without_a_paragraph_around_it():
    assert inline("`a` is <b>") == "<code>a</code> is &lt;b&gt;"

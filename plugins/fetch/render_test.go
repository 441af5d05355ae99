// Copyright 2026 The Gantry Authors.

package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHTMLReadsAsMarkdown(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"paragraphs", "<p>one\n  two</p>\n<p>three", "one two\n\nthree"},
		{"breaks", "a<br>b<br/><br>c", "a\nb\n\nc"},
		{"headings", "<h2>A <em>b</em></h2>c<h3></h3>", "## A *b*\n\nc"},
		{"marks", "x<b> y </b>z <i></i><code>f(x)</code>!", "x **y** z `f(x)`!"},
		{"links", `<a href="/a?b=1&amp;c=2">one</a> <a href="#x">two</a> <a href="javascript:x()">three</a> <a href="mailto:a@b.c">four</a>`,
			"[one](https://s.test/a?b=1&c=2) two three [four](mailto:a@b.c)"},
		{"a link around a block", `<a href="x (1)"><div>card</div></a>next`, "[card](https://s.test/d/x%20%281%29)\nnext"},
		{"a link over lines stays bare", `<a href=x>a<br>b</a>`, "a\nb"},
		{"pictures", `<img src=p.png alt="a cat"><img src=spacer.gif><h1><a href=/><img alt=Logo src=l.svg></a></h1>`,
			"![a cat](https://s.test/d/p.png)\n\n# [![Logo](https://s.test/d/l.svg)](https://s.test/)"},
		{"lists", "<ul><li>a<li><p>b</p><ol start=3><li>c</li><li>d</ol></ul><p>e", "- a\n- b\n  3. c\n  4. d\n\ne"},
		{"empty items", "<ul><li></li><li>a</li></ul>", "- a"},
		{"code", "<pre><code>if x &lt; 1 {\n\treturn\n}\n</code></pre>after", "```\nif x < 1 {\n\treturn\n}\n```\n\nafter"},
		{"quotations", "<blockquote><p>a</p><p>b</p></blockquote>c", "> a\n\n> b\n\nc"},
		{"tables", "<table><tr><th>A</th><th>B</th></tr><tr><td>1|2</td><td><p>x</p><p>y</p></td></tr><tr><td></td><td>z</td></tr></table>.",
			"| A | B |\n| --- | --- |\n| 1\\|2 | x y |\n|  | z |\n\n."},
		{"what is not read", "<head><style>p{}</style><meta><title>T</title></head><body><script>if (a</b) '</p>'</script><noscript>no</noscript><svg><path/></svg>a<!-- <p>b --><template>c</template>d",
			"ad"},
		{"entities", "&lt;b&gt; &amp;amp; &eacute; &#x1F600; &nosuch; a&nbsp;b", "<b> &amp; é 😀 &nosuch; a b"},
		{"letters that end like a space", "voilà <b>là</b> là", "voilà **là** là"},
		{"broken tags", "a < b <3 </> <p x='1\" y=2>c</p' d", "a < b <3 </>"},
		{"an unclosed head", "<head><script>x</script><body>shown", "shown"},
		{"rule", "a<hr>b", "a\n\n---\n\nb"},
		{"no tags", "just text", "just text"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := render(c.in, "https://s.test/d/page", true).text; got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestHTMLReadsAsText(t *testing.T) {
	in := "<h1>A</h1><p><b>b</b> <a href=x>c</a><img alt=d src=e><ul><li>f</ul><pre>g\n  h</pre><table><tr><th>i<td>j</table>"
	if got, want := render(in, "", false).text, "A\n\nb cd\n\n- f\n\ng\n  h\n\ni\tj"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAPageCannotGrowWithoutBound(t *testing.T) {
	base := "https://s.test/" + strings.Repeat("d", 8000) + "/"
	p := render(strings.Repeat("<a href=b>x</a> ", 3000), base, true)
	if !p.cut || len(p.text) > maxText+20_000 {
		t.Errorf("got %d bytes, cut %v", len(p.text), p.cut)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("<p>a <b>b</b><ul><li>c<pre>d</pre><table><tr><td>e", true)
	f.Add("<title>x</title><a href='/'>y</a><!-- z --><script></script>", false)
	f.Fuzz(func(t *testing.T, in string, markdown bool) {
		p := render(in, "https://s.test/page", markdown)
		if !utf8.ValidString(p.text) {
			t.Fatalf("not UTF-8: %q", p.text)
		}
		// Each byte of a page may cost a margin, a mark and an address, and not more.
		if len(p.text) > 400*(len(in)+1) {
			t.Fatalf("%d bytes became %d", len(in), len(p.text))
		}
		if !strings.ContainsAny(in, "<&") && strings.Join(strings.Fields(p.text), " ") != strings.Join(strings.Fields(strings.ToValidUTF8(in, "\ufffd")), " ") {
			t.Fatalf("plain text changed: %q became %q", in, p.text)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xff\xfea\x00"), "text/plain")
	f.Add([]byte("caf\xe9"), "text/html; charset=latin1")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		kindOf(contentType, body)
		if s := decode(body, contentType); !utf8.ValidString(s) {
			t.Fatalf("not UTF-8: %q", s)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

// Our regular expressions against Go's: properties character by character, texts of errors, the public test tables of Go's
// package (read from GOROOT at run time), and random patterns on random texts.
package main

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"

	p "sampan/interop/peerproc"
)

type peer struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func start(name string) *peer {
	runtime.LockOSThread()
	cmd := exec.Command(filepath.Join(os.Getenv("PEERS"), name))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	p.Must(err)
	out, err := cmd.StdoutPipe()
	p.Must(err)
	p.Must(cmd.Start())
	return &peer{in, bufio.NewReaderSize(out, 1<<20)}
}

func (e *peer) ask(verb, arg string) string {
	_, err := fmt.Fprintf(e.in, "%d\n%s %s", len(arg)+2, verb, arg)
	p.Must(err)
	line, err := e.out.ReadString('\n')
	p.Must(err)
	n, err := strconv.Atoi(strings.TrimSpace(line))
	p.Must(err)
	buf := make([]byte, n)
	_, err = io.ReadFull(e.out, buf)
	p.Must(err)
	return string(buf)
}

// compile gives the pattern to both and compares the outcome; nil when both refuse it.
func compile(e *peer, pattern string) *regexp.Regexp {
	re, err := regexp.Compile(pattern)
	got := e.ask("p", pattern)
	if err != nil {
		p.Check("error", got == err.Error(), strconv.Quote(pattern), "\n  got  ", got, "\n  want ", err)
		return nil
	}
	want := fmt.Sprintf("ok %d ", re.NumSubexp())
	for _, name := range re.SubexpNames()[1:] {
		want += name + ","
	}
	p.Check("compile", got == want, strconv.Quote(pattern), "\n  got  ", got, "\n  want ", want)
	if got != want || re.NumSubexp() > 60 {
		return nil
	}
	return re
}

func matches(e *peer, re *regexp.Regexp, text string) {
	want := "0;"
	if re.MatchString(text) {
		want = "1;"
	}
	for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
		s := fmt.Sprint(m)
		want += s[1:len(s)-1] + ";"
	}
	got := e.ask("t", text)
	p.Check("match", got == want, strconv.Quote(re.String()), " on ", strconv.Quote(text), "\n  got  ", got, "\n  want ", want)
}

func clean(r []rune, known func(rune) bool) string {
	var all []rune
	for i := 0; i+1 < len(r); i += 2 {
		for c := r[i]; c <= r[i+1]; c++ {
			if known(c) {
				all = append(all, c)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	var b strings.Builder
	for i := 0; i < len(all); {
		lo, hi := all[i], all[i]
		for i++; i < len(all) && all[i] <= hi+1; i++ {
			hi = all[i]
		}
		fmt.Fprintf(&b, "%x-%x,", lo, hi)
	}
	return b.String()
}

// properties compares every property as a set. With another edition of Unicode on our side, only the characters that Go's
// edition assigns count, and the differences are named.
func properties(e *peer) {
	known := func(rune) bool { return true }
	if ours := e.ask("v", ""); ours != unicode.Version {
		fmt.Printf("exceptions: our tables are Unicode %s, Go's are %s: characters new since then are left out\n", ours, unicode.Version)
		known = func(c rune) bool { return !unicode.Is(unicode.Cn, c) }
	}
	var names []string
	for n := range unicode.Categories {
		names = append(names, n)
	}
	for n := range unicode.CategoryAliases {
		names = append(names, n)
	}
	for n := range unicode.Scripts {
		names = append(names, n)
	}
	names = append(names, "Any", "ASCII", "Assigned", "any", "lu", "UPPERCASE letter", "Greek", "GREEK", "Nope", "", "^Lu", "^")
	sort.Strings(names)
	for _, n := range names {
		for _, form := range []string{`\p{%s}`, `\P{%s}`, `(?i)\p{%s}`, `(?i)\P{%s}`, `[^\p{%s}x]`} {
			pattern := fmt.Sprintf(form, n)
			re, err := syntax.Parse(pattern, syntax.Perl)
			if err != nil {
				p.Check("property", e.ask("p", pattern) == err.Error(), pattern)
				continue
			}
			r := re.Rune
			if re.Op == syntax.OpLiteral {
				r = []rune{r[0], r[0]}
			}
			if len(r) == 0 {
				continue
			}
			var ours []rune
			for _, span := range strings.Split(strings.TrimSuffix(e.ask("r", pattern), ","), ",") {
				var lo, hi rune
				_, err := fmt.Sscanf(span, "%x-%x", &lo, &hi)
				p.Must(err)
				ours = append(ours, lo, hi)
			}
			got, want := clean(ours, known), clean(r, known)
			p.Check("property", got == want, pattern, "\n  got  ", got, "\n  want ", want)
		}
	}
	for c := rune(0); c <= unicode.MaxRune; c++ {
		if unicode.SimpleFold(c) == c {
			continue
		}
		re, err := syntax.Parse(fmt.Sprintf(`(?i)[\x{%x}]`, c), syntax.Perl)
		p.Must(err)
		if re.Op != syntax.OpCharClass {
			continue
		}
		got, want := e.ask("r", fmt.Sprintf(`(?i)[\x{%x}]`, c)), clean(re.Rune, known)
		p.Check("fold", got == want, strconv.QuoteRune(c), got, want)
	}
}

// literals gives every string in a Go file and neighbours in pairs: patterns and texts of Go's own tests.
func literals(e *peer, file string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	p.Must(err)
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		switch v := n.(type) {
		case *ast.BasicLit:
			if v.Kind == token.STRING {
				s, err := strconv.Unquote(v.Value)
				p.Must(err)
				all = append(all, s)
			}
		case *ast.CallExpr: // strings.Repeat("…", n)
			if len(v.Args) == 2 {
				s, ok1 := v.Args[0].(*ast.BasicLit)
				n, ok2 := v.Args[1].(*ast.BasicLit)
				if ok1 && ok2 && s.Kind == token.STRING && n.Kind == token.INT {
					text, _ := strconv.Unquote(s.Value)
					count, _ := strconv.Atoi(n.Value)
					if len(text)*count < 1<<20 {
						all = append(all, strings.Repeat(text, count))
					}
				}
			}
		}
		return true
	})
	for i, s := range all {
		re := compile(e, s)
		for k := i + 1; re != nil && k < len(all) && k < i+4; k++ {
			if len(all[k]) < 10000 {
				matches(e, re, all[k])
			}
		}
	}
}

// table runs a file of RE2's tests: strings, then patterns each with a line of results per string.
func table(e *peer, name string, in io.Reader, limit time.Duration) {
	var texts []string
	var want []string
	pattern, inTexts, n, skipped := "", false, 0, 0
	until := time.Now().Add(limit)
	flush := func() {
		if pattern == "" || len(want) == 0 {
			return
		}
		if time.Now().After(until) {
			skipped += len(want)
			want = nil
			return
		}
		if !strings.HasPrefix(e.ask("p", pattern), "ok ") {
			p.Check(name, false, pattern, " does not compile")
			want = nil
			return
		}
		var frames strings.Builder
		for _, t := range texts {
			fmt.Fprintf(&frames, "%d\n%s", len(t), t)
		}
		got := strings.Split(e.ask("f", frames.String()), "\n")
		for i, w := range want {
			p.Check(name, got[i] == w, strconv.Quote(pattern), " on ", strconv.Quote(texts[i]), " got ", got[i], " want ", w)
			n++
		}
		want = nil
	}
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 1<<20), 1<<20)
	for s.Scan() {
		line := s.Text()
		switch {
		case line == "strings":
			flush()
			pattern, texts, inTexts = "", nil, true
		case line == "regexps":
			inTexts = false
		case strings.HasPrefix(line, `"`):
			q, err := strconv.Unquote(line)
			p.Must(err)
			if inTexts {
				texts = append(texts, q)
			} else {
				flush()
				pattern = q
				if strings.Contains(pattern, `\C`) { // one byte: Go's package has none, its test leaves them out too
					pattern = ""
				}
			}
		case strings.Contains(line, ";") && pattern != "":
			want = append(want, strings.Split(line, ";")[1])
		}
	}
	flush()
	fmt.Printf("%s: %d results compared, %d left out for time\n", name, n, skipped)
}

var atoms = []string{
	"a", "b", "c", "ab", "x", "é", "ſ", "k", "K", "日", ".", ".", "^", "$", `\A`, `\z`, `\b`, `\B`, `\d`, `\w`, `\S`, `\W`, "[ab]", "[^a]",
	"[a-c]", "[^\\n]", "[[:alpha:]]", "[[:^space:]]", `\pL`, `\p{Greek}`, `\PN`, `[\d\-b]`, `\x{e9}`, `\x41`, `\n`, `\.`, "\n", "(?i)", "(?s)",
	"(?m)", "(?U)", "(?i-s)", `\Qa.b\E`, "", "", "\ufffd", `[\x{fffd}]`, "[é-日]", "{", "{,2}", "]", "-", "\\141", `\_`,
}
var bad = []string{
	"(", ")", "[", "[a", "\\", "*", "+", "?", "{2}", "a**", "(?P<n>", "(?P<", "(?<n", "(?<é>a)", "\xff", "[\xff]", "\\\xff", `\8`, `\x{110000}`,
	`\x{`, `\xz`, `\x`, `\pX`, `\p{Nope}`, `\p{L`, "[[:nope:]]", "[z-a]", "a{1001}", "a{2,1}", "(?z)", "(?i", "(?-)", "(?i--s)", `\C`, `\Q\xff`,
	"(?", "(?P=n)", "(?=a)", "a{99999999999}", `\p`, "[a-", "[]", "[^]", "[a-\\d]", "(?P<n>a)(?P<n>b)", "(?:", "|*", "(|+)", "\\Q\\E*", "(?i)*",
}

func random(r *rand.Rand, depth int) string {
	pick := func() string {
		if r.Intn(60) == 0 {
			return bad[r.Intn(len(bad))]
		}
		return atoms[r.Intn(len(atoms))]
	}
	if depth == 0 {
		return pick()
	}
	switch r.Intn(9) {
	case 0, 1:
		return random(r, depth-1) + random(r, depth-1)
	case 2:
		return random(r, depth-1) + "|" + random(r, depth-1)
	case 3:
		return "(" + random(r, depth-1) + ")"
	case 4:
		return []string{"(?:", "(?i:", "(?s:", "(?m-i:", "(?U:", "(?P<n>", "(?<m>"}[r.Intn(7)] + random(r, depth-1) + ")"
	case 5, 6:
		return "(?:" + random(r, depth-1) + ")" + []string{"*", "+", "?", "*?", "+?", "??"}[r.Intn(6)]
	case 7:
		return "(" + random(r, depth-1) + ")" + []string{"*", "+", "?", "{2}", "{0,2}", "{1,}?", "{2,3}?", "{0}", "{1,1}", "{0,1}", "{3,}"}[r.Intn(11)]
	}
	return pick()
}

var pieces = []string{"a", "b", "c", "A", "B", "x", " ", "\n", "é", "É", "ſ", "S", "k", "\u212a", "日", "α", "\xff", "\xe6\x97", "\xc3", "\ufffd", "5", "_", "-", ".", "{", "a.b"}

func text(r *rand.Rand) string {
	s := ""
	for n := r.Intn(8); n > 0; n-- {
		s += pieces[r.Intn(len(pieces))]
	}
	if r.Intn(300) == 0 {
		s = strings.Repeat(s+"ab", 300)
	}
	return s
}

func randoms(e *peer, limit time.Duration) {
	seed := time.Now().UnixNano()
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		p.Must(err)
		seed = n
	}
	r := rand.New(rand.NewSource(seed))
	n, refused := 0, 0
	for until := time.Now().Add(limit); time.Now().Before(until); n++ {
		pattern := random(r, 1+r.Intn(5))
		if r.Intn(20) == 0 { // broken somewhere
			at := r.Intn(len(pattern) + 1)
			pattern = pattern[:at] + bad[r.Intn(len(bad))] + pattern[at:]
		}
		re := compile(e, pattern)
		if re == nil {
			refused++
			continue
		}
		for i := 0; i < 5; i++ {
			matches(e, re, text(r))
		}
	}
	fmt.Printf("random: %d patterns, %d of them refused, SEED=%d\n", n, refused, seed)
}

func figures(e *peer) {
	words := make([]string, 1000)
	for i := range words {
		words[i] = fmt.Sprintf("word%dx%d", i*7919%1000, i)
	}
	for _, b := range []struct{ name, pattern, text string }{
		{"dns1123_subdomain", `^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`, "api.internal.example-01.com"},
		{"alternation_1000", strings.Join(words, "|"), strings.Repeat("some text without it ", 50)},
		{"unanchored_1k", `[0-9]+-[a-z]+$`, strings.Repeat("abc 123 ", 128)},
	} {
		re := regexp.MustCompile(b.pattern)
		e.ask("p", b.pattern)
		ours, err := strconv.ParseFloat(e.ask("b", b.text), 64)
		p.Must(err)
		best := 1e18
		for run := 0; run < 5; run++ {
			n := 1 + 200000/(len(b.text)+20)
			from := time.Now()
			for i := 0; i < n; i++ {
				re.MatchString(b.text)
			}
			best = min(best, float64(time.Since(from).Nanoseconds())/float64(n))
		}
		fmt.Printf("bench regex_%s %.1f ns peer=go %.1f ratio=%.3f\n", b.name, ours, best, ours/best)
	}
}

func main() {
	fast, careful := start("regex"), start("regex-asan")
	properties(fast)
	dir := filepath.Join(runtime.GOROOT(), "src", "regexp")
	for _, f := range []string{"syntax/parse_test.go", "syntax/simplify_test.go", "syntax/prog_test.go", "find_test.go", "all_test.go", "exec_test.go", "onepass_test.go"} {
		literals(fast, filepath.Join(dir, f))
	}
	for _, s := range []string{strings.Repeat("(", 999) + strings.Repeat(")", 999), strings.Repeat("(", 1000) + strings.Repeat(")", 1000),
		strings.Repeat("(?:", 1000) + strings.Repeat(")*", 1000), strings.Repeat("(?:", 998) + strings.Repeat(")*", 998),
		"(" + strings.Repeat("(xx?)", 1000) + "){1000}", strings.Repeat("(xx?){1000}", 1000), strings.Repeat(`\pL`, 27000),
		"(?:a{1000}b{1000}c{1000}d{1000}){1000}", "(?:" + strings.Repeat("a{1000}", 3) + "){1000}"} {
		compile(fast, s)
	}
	for _, name := range []string{"re2-search.txt", "re2-exhaustive.txt.bz2"} {
		f, err := os.Open(filepath.Join(dir, "testdata", name))
		p.Must(err)
		var in io.Reader = f
		if strings.HasSuffix(name, ".bz2") {
			in = bzip2.NewReader(f)
		}
		table(fast, name, in, 60*time.Second)
		p.Must(f.Close())
	}
	randoms(careful, 20*time.Second)
	figures(fast)
	p.Done()
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
)

// Forms of expressions by the type they have; a lower-case letter in braces is an expression of that type.
var forms = map[byte][]string{
	'i': {"{i} + {i}", "{i} - {i}", "{i} * {i}", "{i} / {i}", "{i} % {i}", "-{i}", "i", "1", "0", "7", "9223372036854775807", "x.n",
		"size({s})", "{s}.size()", "{l}.size()", "{l}[{i}]", "{l}.sum()", "{l}.max()", "int({s})", "int({d})", "{b} ? {i} : {i}",
		"{s}.indexOf({s})", "{s}.lastIndexOf({s})", "{t}.getHours()", "{t}.getMonth()", "{u}.getSeconds()", "{o}.orValue({i})", "x.list[{i}]",
		"{m}.size()", "{l}.indexOf({i})", "v", "{m}['a']", "{m}.k"},
	's': {"{s} + {s}", "s", "'a'", "'héllo'", "''", "x.name", "x.s", "string({i})", "string({d})", "{s}.substring({i})", "{s}.substring({i}, {i})",
		"{s}.charAt({i})", "{s}.replace({s}, {s})", "{s}.upperAscii()", "{s}.trim()", "{r}.join({s})", "{r}[{i}]", "{b} ? {s} : {s}",
		"'%s-%d'.format([{s}, {i}])", "strings.quote({s})", "string({u})", "string({t})", "w", "{s}.find('[a-c]+')", "{r}.min()"},
	'b': {"{i} < {i}", "{i} <= {d}", "{s} < {s}", "{i} == {i}", "{s} == {s}", "{l} == {l}", "{d} == {i}", "{b} && {b}", "{b} || {b}", "!{b}", "true", "false",
		"{s}.contains({s})", "{s}.startsWith({s})", "{s}.endsWith({s})", "{s}.matches({s})", "{i} in {l}", "{s} in {r}", "has(x.name)", "has(x.nope)",
		"{l}.all(v, {b})", "{l}.exists(v, {b})", "{l}.exists_one(v, {b})", "{r}.all(w, {b})", "{m}.all(k, {b})", "{l}.isSorted()", "{t} < {t}", "{u} == {u}",
		"sets.contains({l}, {l})", "sets.intersects({l}, {l})", "{o}.hasValue()", "bool({s})", "isQuantity({s})", "isIP({s})", "{l}.all(v, n, {b})", "{x} == {x}",
		"{s} in {m}", "type({x}) == type({x})", "dyn({i}) == dyn({s})", "{m} == {m}", "{b} ? {b} : {b}", "{i} in [1, 7, 9]", "{s} in ['abc', 'a']"},
	'd': {"{d} + {d}", "{d} * {d}", "{d} / {d}", "1.5", "0.0", "1e10", "double({i})", "double({s})", "x.f", "-{d}"},
	'l': {"[{i}, {i}]", "l", "[]", "x.list", "{l} + {l}", "{l}.map(v, {i})", "{l}.filter(v, {b})", "{l}.map(v, {b}, {i})", "{l}.sort()", "{l}.reverse()", "{l}.distinct()",
		"{l}.slice({i}, {i})", "lists.range({i} % 5)", "{r}.map(w, {i})", "[?{o}, {i}]", "{l}.transformList(n, v, {i})", "{b} ? {l} : {l}", "{l}.sortBy(v, {i})"},
	'r': {"[{s}, {s}]", "ls", "x.names", "{s}.split({s})", "{l}.map(v, {s})", "{r}.filter(w, {b})", "{r}.sort()", "{r} + {r}", "{s}.findAll('.')"},
	'm': {"{'a': {i}, 'k': {i}}", "{{s}: {i}}", "{m}.transformMap(k, v, {i})", "{'a': {i}, ?'k': {o}}"},
	't': {"timestamp('2020-02-29T12:34:56.789Z')", "{t} + {u}", "{t} - {u}", "timestamp({s})", "timestamp({i})"},
	'u': {"duration('1h30m')", "{u} + {u}", "{t} - {t}", "duration({s})", "-{u}"},
	'o': {"optional.of({i})", "optional.none()", "{l}[?{i}]", "{m}.?k", "{o}.or({o})", "{o}.optMap(v, {i})", "optional.ofNonZeroValue({i})", "x.?n", "x.?nope"},
	'x': {"x", "x.mixed", "x.m", "x.nul", "x.nope", "x.mixed[{i}]", "x[{s}]", "dyn({i})", "dyn({s})", "dyn({l})", "x.m.k"},
}

const kinds = "isbdlrmtuox"

// What stands at the bottom.
var leaves = map[byte][]string{'i': {"1", "0", "i", "x.n", "-3"}, 's': {"'z'", "s", "x.name", "''"}, 'b': {"true", "false"}, 'd': {"2.5", "x.f"},
	'l': {"[1]", "l", "[]"}, 'r': {"['q']", "ls"}, 'm': {"{'k': 1}"}, 't': {"timestamp(0)"}, 'u': {"duration('1s')"},
	'o': {"optional.of(2)", "optional.none()"}, 'x': {"x.name", "x.nope", "x.mixed"}}

func generate(r *rand.Rand, kind byte, depth int) string {
	if r.Intn(60) == 0 { // of another type than wanted
		kind = kinds[r.Intn(len(kinds))]
	}
	if r.Intn(25) == 0 {
		kind = 'x'
	}
	if depth <= 0 {
		return leaves[kind][r.Intn(len(leaves[kind]))]
	}
	form := forms[kind][r.Intn(len(forms[kind]))]
	var out strings.Builder
	for i := 0; i < len(form); i++ {
		if i+2 < len(form) && form[i] == '{' && form[i+2] == '}' && strings.IndexByte(kinds, form[i+1]) >= 0 {
			inner := generate(r, form[i+1], depth-1)
			if strings.ContainsAny(inner, "<=?|&+-*/% ") && !strings.HasPrefix(inner, "(") {
				inner = "(" + inner + ")"
			}
			out.WriteString(inner)
			i += 2
			continue
		}
		out.WriteByte(form[i])
	}
	return out.String()
}

// Random expressions; CEL_RANDOM is their number and CEL_SEED the seed. Those whose result hangs on the order in which Go
// walks maps are left out.
func random(p *peer, env *cel.Env) (passed, failed int) {
	n, seed := 3000, int64(1)
	if v, err := strconv.Atoi(os.Getenv("CEL_RANDOM")); err == nil {
		n = v
	}
	if v, err := strconv.ParseInt(os.Getenv("CEL_SEED"), 10, 64); err == nil {
		seed = v
	}
	r := rand.New(rand.NewSource(seed))
	for i := 0; i < n; i++ {
		expr := generate(r, kinds[r.Intn(len(kinds))], 1+r.Intn(4))
		if len(expr) > 400 {
			continue
		}
		ours := p.ask(caseRequest{Expr: expr, Env: "k8s", JSON: json.RawMessage(variables),
			Vars: [][3]string{{"i", "int", "7"}, {"s", "string", `"abc"`}, {"l", "list(int)", "[3, 1, 2]"},
				{"ls", "list(string)", `["x", "yy"]`}}})
		a, b := show(theirs(env, expr)), show(ours)
		if strings.Contains(a, "PANIC") || strings.Contains(a, "internal error") || strings.Contains(a, "invalid qualifier type") {
			continue // faults of cel-go, with Go's names of types
		}
		if a != b {
			again := show(theirs(env, expr))
			for k := 0; k < 8 && again == a; k++ {
				again = show(theirs(env, expr))
			}
			if again != a {
				continue
			}
			fmt.Printf("  %s\n    theirs %s\n    ours   %s\n", expr, a, b)
			failed++
			continue
		}
		passed++
	}
	fmt.Printf("random expressions   %4d of %4d\n", passed, passed+failed)
	return passed, failed
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

//go:embed expressions.txt
var expressions string

const variables = `{"x": {"name": "foo", "n": 5, "list": [1, 2, 3], "names": ["a", "bb", "ccc"], "m": {"k": "v"},
	"s": "hello world", "f": 1.5, "nul": null, "mixed": [1, "a", 2.5, null, {"k": [true]}]}}`

// The environment of the API server for new expressions, with variables of several types.
func upstream() (*cel.Env, error) {
	ext, err := environment.MustBaseEnvSet(version.MajorMinor(1, 36)).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions: []cel.EnvOption{
			cel.Variable("x", cel.DynType), cel.Variable("i", cel.IntType), cel.Variable("s", cel.StringType),
			cel.Variable("l", cel.ListType(cel.IntType)), cel.Variable("ls", cel.ListType(cel.StringType)),
		},
	})
	if err != nil {
		return nil, err
	}
	return ext.Env(environment.NewExpressions)
}

// Whole numbers are int64, as in the API server's decoder.
func whole(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k := range t {
			t[k] = whole(t[k])
		}
	case []any:
		for i := range t {
			t[i] = whole(t[i])
		}
	case float64:
		if t == float64(int64(t)) {
			return int64(t)
		}
	}
	return v
}

func theirs(env *cel.Env, expr string) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a.Error = fmt.Sprint("PANIC ", r)
		}
	}()
	ast, issues := env.Compile(expr)
	if issues != nil && issues.Err() != nil {
		return answer{Issues: issues.String()}
	}
	est, _ := env.EstimateCost(ast, &library.CostEstimator{})
	a = answer{Type: ast.OutputType().String(), Min: est.Min, Max: est.Max}
	prog, err := env.Program(ast)
	if err != nil {
		return answer{Issues: "INST " + err.Error()}
	}
	var vars map[string]any
	_ = json.Unmarshal([]byte(variables), &vars)
	whole(vars)
	vars["i"], vars["s"], vars["l"], vars["ls"] = 7, "abc", []int64{3, 1, 2}, []string{"x", "yy"}
	v, details, err := prog.Eval(vars)
	if details != nil && details.ActualCost() != nil {
		a.Cost = *details.ActualCost()
	}
	if err != nil {
		a.Error = err.Error()
		return a
	}
	text := types.Format(v)
	a.Value = &text
	return a
}

func show(a answer) string {
	value := "-"
	if a.Value != nil {
		value = *a.Value
	}
	return fmt.Sprintf("issues=%s type=%s value=%s error=%s cost=%d estimate=%d..%d", a.Issues, a.Type, value, a.Error, a.Cost,
		a.Min, a.Max)
}

// CEL_GOLDEN names the folder that gets cel-go's answers: test/golden/cel.
func golden(name string) (keep func(any), done func()) {
	dir := os.Getenv("CEL_GOLDEN")
	if dir == "" {
		return func(any) {}, func() {}
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		panic(err)
	}
	out := json.NewEncoder(f)
	out.SetEscapeHTML(false)
	return func(v any) { _ = out.Encode(v) }, func() { _ = f.Close() }
}

func row(expr string, a answer) map[string]any {
	return map[string]any{"expr": expr, "issues": a.Issues, "type": a.Type, "value": a.Value, "error": a.Error,
		"cost": a.Cost, "min": a.Min, "max": fmt.Sprint(a.Max)}
}

func differential(p *peer) (passed, failed int) {
	env, err := upstream()
	if err != nil {
		fmt.Println(err)
		return 0, 1
	}
	keep, done := golden("answers.jsonl")
	defer done()
	for _, expr := range strings.Split(expressions, "\n") {
		if expr == "" || strings.HasPrefix(expr, "#") {
			continue
		}
		ours := p.ask(caseRequest{Expr: expr, Env: "k8s", JSON: json.RawMessage(variables),
			Vars: [][3]string{{"i", "int", "7"}, {"s", "string", `"abc"`}, {"l", "list(int)", "[3, 1, 2]"},
				{"ls", "list(string)", `["x", "yy"]`}}})
		answer := theirs(env, expr)
		keep(row(expr, answer))
		if a, b := show(answer), show(ours); a != b {
			fmt.Printf("  %s\n    theirs %s\n    ours   %s\n", expr, a, b)
			failed++
			continue
		}
		passed++
	}
	fmt.Printf("cel-go               %4d of %4d\n", passed, passed+failed)
	good, bad := random(p, env)
	return passed + good, failed + bad
}

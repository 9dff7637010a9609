// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	celpb "cel.dev/expr"
	_ "cel.dev/expr/conformance/proto2"
	_ "cel.dev/expr/conformance/proto3"
	test2pb "cel.dev/expr/conformance/test"
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/encoding/prototext"
)

// Sections and tests that need protocol buffers, which Kubernetes does not give to expressions, or features of the
// checker that nobody there can use. Each reason is printed with its count.
func outOfScope(file string, s *test2pb.SimpleTestSection, t *test2pb.SimpleTest) string {
	text := prototext.Format(t)
	switch {
	case file == "proto2" || file == "proto3" || file == "proto2_ext" || file == "enums" || file == "wrappers" || file == "dynamic":
		return "protocol buffers"
	case file == "block_ext":
		return "cel.block (an optimizer's output)"
	case strings.Contains(text, "google.protobuf.") && (strings.Contains(t.Expr, "google.protobuf.") || strings.Contains(t.Expr, "TestAllTypes")),
		strings.Contains(text, "TestAllTypes"), strings.Contains(text, "NestedTestAllTypes"), strings.Contains(text, "GlobalEnum"):
		return "protocol buffers"
	case t.Container != "":
		return "containers"
	case t.GetUnknown() != nil || t.GetAnyUnknowns() != nil:
		return "unknowns"
	}
	return ""
}

type caseRequest struct {
	Expr string      `json:"expr"`
	Env  string      `json:"env"`
	Vars [][3]string `json:"vars,omitempty"`
	JSON any         `json:"json,omitempty"`
}

type answer struct {
	Issues, Type, Error, Unsupported string
	Value                            *string
	Cost, Min, Max                   uint64
}

func literal(v *celpb.Value) (string, error) {
	val, err := cel.ProtoAsValue(types.DefaultTypeAdapter, v)
	if err != nil {
		return "", err
	}
	return types.Format(val), nil
}

func request(t *test2pb.SimpleTest) (caseRequest, string) {
	r := caseRequest{Expr: t.Expr, Env: "spec"}
	bound := map[string]string{}
	for name, b := range t.Bindings {
		v, err := literal(b.GetValue())
		if err != nil {
			return r, err.Error()
		}
		bound[name] = v
	}
	for _, d := range t.TypeEnv {
		id := d.GetIdent()
		if id == nil {
			return r, "declared functions"
		}
		typ, err := types.ProtoAsType(id.Type)
		if err != nil {
			return r, err.Error()
		}
		r.Vars = append(r.Vars, [3]string{d.Name, typ.String(), bound[d.Name]})
		delete(bound, d.Name)
	}
	for name, v := range bound {
		r.Vars = append(r.Vars, [3]string{name, "dyn", v})
	}
	return r, ""
}

// Empty: as wanted.
func judge(t *test2pb.SimpleTest, a answer) string {
	if a.Unsupported != "" {
		return a.Unsupported
	}
	if t.GetEvalError() != nil {
		if a.Issues == "" && a.Error == "" {
			return "no error: " + *a.Value
		}
		return ""
	}
	if a.Issues != "" {
		return a.Issues
	}
	want := t.GetValue()
	if tr := t.GetTypedResult(); tr != nil {
		typ, err := types.ProtoAsType(tr.DeducedType)
		if err == nil && typ.String() != a.Type {
			return fmt.Sprintf("type %s, want %s", a.Type, typ)
		}
		want = tr.Result
		if want == nil {
			return ""
		}
	}
	if a.Error != "" {
		return "error: " + a.Error
	}
	text := "true"
	if want != nil {
		var err error
		if text, err = literal(want); err != nil {
			return err.Error()
		}
	}
	if a.Value == nil || !same(*a.Value, text) {
		return fmt.Sprintf("value %s, want %s", *a.Value, text)
	}
	return ""
}

// Texts may be quoted in two ways: characters that Unicode has not assigned are escaped or not.
func same(a, b string) bool {
	x, err1 := strconv.Unquote(a)
	y, err2 := strconv.Unquote(b)
	return a == b || (err1 == nil && err2 == nil && x == y)
}

// What cel-go itself does with the case, when it is the same as ours: then the data and cel-go differ.
func asCelGo(t *test2pb.SimpleTest, a answer) bool {
	opts := []cel.EnvOption{ext.Strings(), ext.Math(), ext.Lists(), ext.Sets(), ext.Bindings(), ext.Encoders(),
		ext.TwoVarComprehensions(), cel.OptionalTypes(), cel.CrossTypeNumericComparisons(true)}
	vars := map[string]any{}
	for _, d := range t.TypeEnv {
		if d.GetIdent() == nil {
			return false
		}
		if typ, err := types.ProtoAsType(d.GetIdent().Type); err == nil {
			opts = append(opts, cel.Variable(d.Name, typ))
		}
	}
	for name, b := range t.Bindings {
		if v, err := cel.ProtoAsValue(types.DefaultTypeAdapter, b.GetValue()); err == nil {
			vars[name] = v
		}
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return false
	}
	ast, iss := env.Compile(t.Expr)
	if iss.Err() != nil {
		return a.Issues == iss.String()
	}
	prog, err := env.Program(ast)
	if err != nil {
		return false
	}
	v, _, err := prog.Eval(vars)
	if err != nil {
		return a.Error == err.Error()
	}
	return a.Value != nil && *a.Value == types.Format(v) && a.Type == ast.OutputType().String()
}

func conformance(p *peer, dir string) (passed, failed int) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.textproto"))
	sort.Strings(files)
	skipped := map[string]int{}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".textproto")
		text, err := os.ReadFile(f)
		file := &test2pb.SimpleTestFile{}
		if err == nil {
			err = prototext.Unmarshal(text, file)
		}
		if err != nil {
			fmt.Printf("%s: %v\n", name, err)
			failed++
			continue
		}
		good, bad, out := 0, 0, 0
		for _, s := range file.Section {
			for _, t := range s.Test {
				if why := outOfScope(name, s, t); why != "" {
					skipped[why]++
					out++
					continue
				}
				r, why := request(t)
				var a answer
				if why == "" {
					a = p.ask(r)
					why = judge(t, a)
				}
				if why == "" {
					good++
					continue
				}
				for reason, is := range map[string]bool{
					"declared functions":         why == "declared functions",
					"unchecked expressions":      t.DisableCheck && a.Issues != "",
					"another mind than cel-go's": asCelGo(t, a),
				} {
					if is {
						why = ""
						skipped[reason]++
						out++
						break
					}
				}
				if why == "" {
					continue
				}
				bad++
				fmt.Printf("  %s/%s/%s: %s\n    %s\n", name, s.Name, t.Name, t.Expr, why)
			}
		}
		fmt.Printf("%-20s %4d of %4d, %d out of scope\n", name, good, good+bad, out)
		passed += good
		failed += bad
	}
	for why, n := range skipped {
		fmt.Printf("out of scope: %d need %s\n", n, why)
	}
	return passed, failed
}

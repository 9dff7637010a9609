// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/common/types"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
)

//go:embed rules.json
var rulesJSON []byte

type ruleSet struct {
	Root          bool
	Schema        json.RawMessage
	Self, OldSelf json.RawMessage
	Rules         []string
}

type ruleRequest struct {
	Expr    string          `json:"expr"`
	Root    bool            `json:"root"`
	Schema  json.RawMessage `json:"schema"`
	Self    json.RawMessage `json:"self"`
	OldSelf json.RawMessage `json:"oldSelf"`
}

// Upstream names types after the clock.
var selfType = regexp.MustCompile(`selfType\d+`)

func theirRule(set ruleSet, rule string) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a.Error = fmt.Sprint("PANIC ", r)
		}
	}()
	props := &apiv1.JSONSchemaProps{}
	internal := &apiextensions.JSONSchemaProps{}
	err := json.Unmarshal(set.Schema, props)
	if err == nil {
		err = apiv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil)
	}
	var s *schema.Structural
	if err == nil {
		s, err = schema.NewStructural(internal)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	s.XValidations = apiv1.ValidationRules{{Rule: rule}}
	results, err := schemacel.Compile(s, model.SchemaDeclType(s, set.Root), celconfig.PerCallLimit,
		environment.MustBaseEnvSet(version.MajorMinor(1, 36)), schemacel.NewExpressionsEnvLoader())
	if err != nil {
		return answer{Error: err.Error()}
	}
	if r := results[0]; r.Error != nil {
		detail := strings.TrimPrefix(r.Error.Detail, "compilation failed: ")
		return answer{Issues: selfType.ReplaceAllString(strings.Replace(detail, "program instantiation failed: ", "INST ", 1), "self")}
	}
	a.Max = results[0].MaxCost
	if set.Root {
		s = model.WithTypeAndObjectMeta(s)
	}
	vars := map[string]any{}
	for name, text := range map[string]json.RawMessage{"self": set.Self, "oldSelf": set.OldSelf} {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			return answer{Error: err.Error()}
		}
		vars[name] = common.UnstructuredToVal(whole(v), &model.Structural{Structural: s})
	}
	v, details, err := results[0].Program.Eval(vars)
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

func crdRules(p *peer) (passed, failed int) {
	var sets []ruleSet
	if err := json.Unmarshal(rulesJSON, &sets); err != nil {
		fmt.Println(err)
		return 0, 1
	}
	keep, done := golden("rules.jsonl")
	defer done()
	for _, set := range sets {
		var answers []any
		for _, rule := range set.Rules {
			theirs := theirRule(set, rule)
			ours := p.askAny(ruleRequest{rule, set.Root, set.Schema, set.Self, set.OldSelf}, rule)
			if ours.Issues == "" && ours.Type != "bool" {
				ours = answer{Issues: "cel expression must evaluate to a bool"}
			}
			ours.Type, ours.Min = "", 0
			answers = append(answers, row(rule, theirs))
			if a, b := show(theirs), show(ours); a != b {
				fmt.Printf("  %s\n    theirs %s\n    ours   %s\n", rule, a, b)
				failed++
				continue
			}
			passed++
		}
		keep(map[string]any{"root": set.Root, "schema": set.Schema, "self": set.Self, "oldSelf": set.OldSelf, "answers": answers})
	}
	fmt.Printf("rules of CRDs        %4d of %4d\n", passed, passed+failed)
	return passed, failed
}

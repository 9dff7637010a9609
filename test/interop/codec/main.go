// SPDX-License-Identifier: Apache-2.0

// Checks the recorded results of test/golden/codec against upstream's Go code: decoding with its errors and strict
// complaints, protobuf bytes, JSON after the way through protobuf, YAML both ways. With -write it records them anew
// from the inputs that stand there.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

type decoded struct {
	Kind   string   `json:"kind"`
	In     string   `json:"in"`
	Out    string   `json:"out,omitempty"`
	Err    string   `json:"err,omitempty"`
	Strict []string `json:"strict,omitempty"`
	Pb     string   `json:"pb,omitempty"`
}

type converted struct {
	In     string `json:"in"`
	JSON   string `json:"json,omitempty"`
	Err    string `json:"err,omitempty"`
	Strict string `json:"strict,omitempty"`
	YAML   string `json:"yaml,omitempty"`
}

type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

var types = map[string]any{
	"/v1/ConfigMap":        corev1.ConfigMap{},
	"/v1/Event":            corev1.Event{},
	"/v1/PersistentVolume": corev1.PersistentVolume{},
	"/v1/Pod":              corev1.Pod{},
	"/v1/Secret":           corev1.Secret{},
	"/v1/Service":          corev1.Service{},
	"/v1/ServiceAccount":   corev1.ServiceAccount{},
	"admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy": admissionv1.ValidatingAdmissionPolicy{},
	"apps/v1/ControllerRevision":                                appsv1.ControllerRevision{},
	"apps/v1/Deployment":                                        appsv1.Deployment{},
	"apps/v1/StatefulSet":                                       appsv1.StatefulSet{},
	"batch/v1/Job":                                              batchv1.Job{},
	"coordination.k8s.io/v1/Lease":                              coordinationv1.Lease{},
	"policy/v1/Eviction":                                        policyv1.Eviction{},
	"policy/v1/PodDisruptionBudget":                             policyv1.PodDisruptionBudget{},
	"rbac.authorization.k8s.io/v1/Role":                         rbacv1.Role{},
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func decode(row decoded) decoded {
	out := decoded{Kind: row.Kind, In: row.In}
	object := reflect.New(reflect.TypeOf(types[row.Kind]))
	strict, err := kjson.UnmarshalStrict([]byte(row.In), object.Interface())
	if err != nil {
		out.Err = err.Error()
		return out
	}
	for _, complaint := range strict {
		out.Strict = append(out.Strict, complaint.Error())
	}
	raw, err := object.Interface().(message).Marshal()
	must(err)
	stored := reflect.New(object.Elem().Type())
	must(stored.Interface().(message).Unmarshal(raw))
	raw, err = stored.Interface().(message).Marshal()
	must(err)
	out.Pb = fmt.Sprintf("%x", raw)
	stored.Elem().FieldByName("TypeMeta").Set(object.Elem().FieldByName("TypeMeta"))
	text, err := json.Marshal(stored.Interface())
	must(err)
	out.Out = string(text)
	return out
}

func convert(row converted) converted {
	out := converted{In: row.In}
	text, err := yaml.YAMLToJSON([]byte(row.In))
	if err != nil {
		out.Err = err.Error()
		return out
	}
	out.JSON = string(text)
	if _, err := yaml.YAMLToJSONStrict([]byte(row.In)); err != nil {
		out.Strict = err.Error()
	}
	back, err := yaml.JSONToYAML(text)
	must(err)
	out.YAML = string(back)
	return out
}

func check[T any](path string, again func(T) T, write bool) (passed, failed int) {
	text, err := os.ReadFile(path)
	must(err)
	var rows []T
	must(json.Unmarshal(text, &rows))
	for i, row := range rows {
		got := again(row)
		if reflect.DeepEqual(got, row) {
			passed++
		} else {
			failed++
			fmt.Printf("FAIL %s %d\n  recorded %+v\n  now      %+v\n", filepath.Base(path), i, row, got)
		}
		rows[i] = got
	}
	if !write {
		return
	}
	f, err := os.Create(path)
	must(err)
	e := json.NewEncoder(f)
	e.SetEscapeHTML(false)
	sep := "[\n"
	for _, row := range rows {
		fmt.Fprint(f, sep)
		must(e.Encode(row))
		sep = ","
	}
	fmt.Fprintln(f, "]")
	must(f.Close())
	return
}

func main() {
	write := flag.Bool("write", false, "record anew")
	flag.Parse()
	dir := "../../golden/codec"
	p, f := check(filepath.Join(dir, "decode.json"), decode, *write)
	q, g := check(filepath.Join(dir, "yaml.json"), convert, *write)
	fmt.Printf("%d passed, %d failed\n", p+q, f+g)
	if f+g != 0 {
		os.Exit(1)
	}
}

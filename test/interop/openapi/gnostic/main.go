// SPDX-License-Identifier: Apache-2.0

// gnostic compares the protobuf forms of OpenAPI documents with what google/gnostic makes of the JSON:
// gnostic DIRECTORY, as test/interop/openapi/dump wrote it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v2 "github.com/google/gnostic-models/openapiv2"
	v3 "github.com/google/gnostic-models/openapiv3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// level rewrites free JSON and YAML to one form.
func level(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "yaml":
			var x any
			if err := yaml.Unmarshal([]byte(v.String()), &x); err == nil {
				if text, err := json.Marshal(x); err == nil {
					m.Set(f, protoreflect.ValueOfString(string(text)))
				}
			}
		case f.IsList() && f.Message() != nil:
			for i := 0; i < v.List().Len(); i++ {
				level(v.List().Get(i).Message())
			}
		case f.Message() != nil:
			level(v.Message())
		}
		return true
	})
}

func check(name string, ours, theirs proto.Message) bool {
	level(ours.ProtoReflect())
	level(theirs.ProtoReflect())
	if proto.Equal(ours, theirs) {
		return true
	}
	a, b := strings.Split(protojson.Format(ours), "\n"), strings.Split(protojson.Format(theirs), "\n")
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			fmt.Printf("%s: line %d: %s\n  gnostic: %s\n", name, i, a[i], b[i])
			break
		}
	}
	return false
}

func one(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	bytes, err := os.ReadFile(strings.TrimSuffix(path, ".json") + ".pb")
	if err != nil {
		return err
	}
	var ours, theirs proto.Message
	if filepath.Base(path) == "swagger.json" {
		ours = &v2.Document{}
		theirs, err = v2.ParseDocument(text)
	} else {
		ours = &v3.Document{}
		theirs, err = v3.ParseDocument(text)
	}
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(bytes, ours); err != nil {
		return err
	}
	if !check(path, ours, theirs) {
		return fmt.Errorf("differs")
	}
	return nil
}

func main() {
	files, _ := filepath.Glob(filepath.Join(os.Args[1], "v3", "*.json"))
	files = append(files, filepath.Join(os.Args[1], "swagger.json"))
	passed, failed := 0, 0
	for _, f := range files {
		if err := one(f); err != nil {
			fmt.Printf("%s: %.300s\n", f, err)
			failed++
		} else {
			passed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 || passed == 0 {
		os.Exit(1)
	}
}

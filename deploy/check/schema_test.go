package check

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// validate checks a YAML text against a JSON schema.
func validate(schema *jsonschema.Schema, text []byte) error {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// compile makes a schema of decoded JSON.
func compile(t testing.TB, name string, text []byte) *jsonschema.Schema {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, value); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// kedaFile reads a file of the release of KEDA that go.mod names.
func kedaFile(t testing.TB, elems ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/kedacore/keda/v2").Output()
	if err != nil {
		t.Fatalf("where KEDA's module is: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(append([]string{strings.TrimSpace(string(out))}, elems...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// kedaSchema is the schema by which a cluster accepts a resource of KEDA, made strict: a cluster drops fields that it does not know, and what a
// mistyped one was to say is not done.
func kedaSchema(t testing.TB, plural, version string) *jsonschema.Schema {
	t.Helper()
	var definition struct {
		Spec struct {
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(kedaFile(t, "config", "crd", "bases", "keda.sh_"+plural+".yaml"), &definition); err != nil {
		t.Fatal(err)
	}
	for _, v := range definition.Spec.Versions {
		if v.Name != version {
			continue
		}
		root := v.Schema.OpenAPIV3Schema
		properties, ok := root["properties"].(map[string]any)
		if !ok {
			t.Fatal("the schema has no properties")
		}
		properties["metadata"] = map[string]any{ // the cluster checks it by a schema of its own
			"type": "object", "required": []any{"name"},
			"properties": map[string]any{"name": map[string]any{"type": "string"}, "labels": stringMap(), "annotations": stringMap(), "namespace": map[string]any{"type": "string"}},
		}
		text, err := json.Marshal(strict(root))
		if err != nil {
			t.Fatal(err)
		}
		return compile(t, plural+".json", text)
	}
	t.Fatalf("KEDA has no version %s of %s", version, plural)
	return nil
}

func stringMap() map[string]any {
	return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
}

// strict forbids properties that a schema does not list, and lets values be numbers or texts where Kubernetes does.
func strict(node any) any {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			node[key] = strict(value)
		}
		_, lists := node["properties"].(map[string]any)
		_, more := node["additionalProperties"]
		if open, _ := node["x-kubernetes-preserve-unknown-fields"].(bool); lists && !more && !open && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		if either, _ := node["x-kubernetes-int-or-string"].(bool); either {
			delete(node, "type")
		}
		delete(node, "format") // int32 and the like are none of JSON schema's
	case []any:
		for i, value := range node {
			node[i] = strict(value)
		}
	}
	return node
}

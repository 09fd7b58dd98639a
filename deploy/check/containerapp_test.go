package check

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

func containerAppSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("containerapp.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, "containerapp.json", text)
}

// containerApp is the part of a container app that is compared with the other files.
type containerApp struct {
	Identity struct {
		UserAssignedIdentities map[string]struct{}
	}
	Properties struct {
		Configuration struct {
			Registries []struct{ Server, Identity string }
		}
		Template struct {
			TerminationGracePeriodSeconds int
			Containers                    []struct {
				Image  string
				Env    []struct{ Name, Value string }
				Probes []struct {
					Type    string
					HTTPGet struct {
						Path string
						Port int
					}
				}
			}
			Scale struct {
				MinReplicas, MaxReplicas int
				Rules                    []struct {
					Name   string
					Custom struct {
						Type, Identity string
						Metadata       map[string]string
					}
				}
			}
		}
	}
}

func TestContainerApp(t *testing.T) {
	t.Parallel()
	text := read(t, "containerapps", "worker.yaml")
	if err := validate(containerAppSchema(t), text); err != nil {
		t.Error(err)
	}
	var app containerApp
	if err := yaml.Unmarshal(text, &app); err != nil {
		t.Fatal(err)
	}
	template := app.Properties.Template
	if template.TerminationGracePeriodSeconds <= drain+10 {
		t.Error("the grace period is not longer than the drain")
	}
	if len(template.Containers) != 1 {
		t.Fatalf("there are %d containers", len(template.Containers))
	}
	var env []variable
	for _, v := range template.Containers[0].Env {
		env = append(env, variable{v.Name, v.Value})
	}
	checkEnvironment(t, "ManagedIdentityCredential", env)
	paths := map[string]string{"Startup": "/healthz", "Readiness": "/healthz", "Liveness": "/livez"}
	if len(template.Containers[0].Probes) != len(paths) {
		t.Errorf("there are %d probes, want %d", len(template.Containers[0].Probes), len(paths))
	}
	for _, p := range template.Containers[0].Probes {
		if p.HTTPGet.Path != paths[p.Type] || p.HTTPGet.Port != healthPort {
			t.Errorf("the probe %s asks %+v", p.Type, p.HTTPGet)
		}
	}
	if template.Scale.MinReplicas < 1 || template.Scale.MaxReplicas < template.Scale.MinReplicas {
		t.Errorf("there are %d to %d workers", template.Scale.MinReplicas, template.Scale.MaxReplicas)
	}
	var found []trigger
	for _, r := range template.Scale.Rules {
		if _, ok := app.Identity.UserAssignedIdentities[r.Custom.Identity]; !ok || r.Custom.Type != "azure-queue" {
			t.Errorf("the rule %s is of type %q with the identity %q, which the app does not have", r.Name, r.Custom.Type, r.Custom.Identity)
		}
		m := r.Custom.Metadata
		checkScalerMetadata(t, m)
		found = append(found, trigger{r.Name, m["accountName"], m["queueName"], m["queueLength"], m["queueLengthStrategy"]})
	}
	checkTriggers(t, found)
	for _, r := range app.Properties.Configuration.Registries {
		if _, ok := app.Identity.UserAssignedIdentities[r.Identity]; !ok {
			t.Errorf("the registry %s is used with the identity %q, which the app does not have", r.Server, r.Identity)
		}
	}
}

// TestMistypedContainerApp: what is mistyped or out of bounds is noticed.
func TestMistypedContainerApp(t *testing.T) {
	t.Parallel()
	schema := containerAppSchema(t)
	text := read(t, "containerapps", "worker.yaml")
	for from, to := range map[string]string{
		"terminationGracePeriodSeconds: 60": "terminationGracePeriod: 60",
		"minReplicas: 2":                    "minReplicas: two",
		"maxReplicas: 10":                   "maxReplicas: 5000",
		"type: Liveness":                    "type: Livelihood",
		"failureThreshold: 10":              "failureThreshold: 60",
		"environmentId:":                    "environment:",
		"type: UserAssigned":                "type: Assigned",
		"location: westeurope":              "region: westeurope",
		"cpu: 0.5":                          `cpu: "half"`,
		"memory: 1Gi":                       "memory: 1GB",
		"activeRevisionsMode: Single":       "activeRevisionsMode: One",
	} {
		if err := validate(schema, change(t, text, from, to)); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
		}
	}
}

// TestSchemaIsStrict: every object of the schema refuses what it does not list, but for those that are maps.
func TestSchemaIsStrict(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("containerapp.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var visit func(path string, node any)
	visit = func(path string, node any) {
		object, ok := node.(map[string]any)
		if !ok {
			return
		}
		if _, more := object["additionalProperties"]; object["type"] == "object" && !more {
			t.Errorf("%s takes properties that it does not know", path)
		}
		for key, value := range object {
			visit(path+"/"+key, value)
		}
	}
	visit("", root)
}

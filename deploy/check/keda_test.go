package check

import (
	"encoding/json"
	"testing"

	"sigs.k8s.io/yaml"
)

func keda(t testing.TB, kind string) []byte {
	t.Helper()
	return one(t, read(t, "kubernetes", "keda.yaml"), "keda.sh/v1alpha1 "+kind)
}

// scaledObject is the part of a ScaledObject that is compared with the other files.
type scaledObject struct {
	Spec struct {
		ScaleTargetRef  struct{ Name string }
		MinReplicaCount int
		MaxReplicaCount int
		Triggers        []struct {
			Type, Name        string
			AuthenticationRef struct{ Name string }
			Metadata          map[string]string
		}
	}
}

func TestScaledObject(t *testing.T) {
	t.Parallel()
	text := keda(t, "ScaledObject")
	if err := validate(kedaSchema(t, "scaledobjects", "v1alpha1"), text); err != nil {
		t.Error(err)
	}
	var s scaledObject
	if err := yaml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Spec.ScaleTargetRef.Name != deployment(t).Name {
		t.Errorf("%q is scaled, and the workers are %q", s.Spec.ScaleTargetRef.Name, deployment(t).Name)
	}
	if s.Spec.MinReplicaCount < 1 || s.Spec.MaxReplicaCount < s.Spec.MinReplicaCount {
		t.Errorf("there are %d to %d workers", s.Spec.MinReplicaCount, s.Spec.MaxReplicaCount)
	}
	var authentication struct{ Metadata struct{ Name string } }
	if err := yaml.Unmarshal(keda(t, "TriggerAuthentication"), &authentication); err != nil {
		t.Fatal(err)
	}
	var found []trigger
	for _, tr := range s.Spec.Triggers {
		if tr.Type != "azure-queue" || tr.AuthenticationRef.Name != authentication.Metadata.Name {
			t.Errorf("the trigger %s is of type %q with the authentication %q", tr.Name, tr.Type, tr.AuthenticationRef.Name)
		}
		found = append(found, trigger{tr.Name, tr.Metadata["accountName"], tr.Metadata["queueName"], tr.Metadata["queueLength"], tr.Metadata["queueLengthStrategy"]})
		checkScalerMetadata(t, tr.Metadata)
	}
	checkTriggers(t, found)
}

func TestTriggerAuthentication(t *testing.T) {
	t.Parallel()
	if err := validate(kedaSchema(t, "triggerauthentications", "v1alpha1"), keda(t, "TriggerAuthentication")); err != nil {
		t.Error(err)
	}
}

// scalerParameter is something that a scaler of KEDA can be told.
type scalerParameter struct {
	Name         string
	AllowedValue []string
}

// azureQueue are the parameters of the scaler azure-queue, by KEDA's own list of its scalers.
func azureQueue(t testing.TB) map[string]scalerParameter {
	t.Helper()
	var list struct {
		Scalers []struct {
			Type       string
			Parameters []scalerParameter
		}
	}
	if err := json.Unmarshal(kedaFile(t, "schema", "generated", "scalers-schema.json"), &list); err != nil {
		t.Fatal(err)
	}
	parameters := map[string]scalerParameter{}
	for _, s := range list.Scalers {
		if s.Type != "azure-queue" {
			continue
		}
		for _, p := range s.Parameters {
			parameters[p.Name] = p
		}
	}
	if len(parameters) == 0 {
		t.Fatal("KEDA has no scaler azure-queue")
	}
	return parameters
}

func checkScalerMetadata(t testing.TB, metadata map[string]string) {
	t.Helper()
	for _, fault := range scalerFaults(azureQueue(t), metadata) {
		t.Error(fault)
	}
}

// scalerFaults are what the scaler would not understand. Metadata are texts without a schema, so that nothing else finds a mistyped name.
func scalerFaults(known map[string]scalerParameter, metadata map[string]string) (faults []string) {
	for name, value := range metadata {
		p, ok := known[name]
		if !ok {
			faults = append(faults, "the scaler azure-queue does not know "+name)
			continue
		}
		allowed := len(p.AllowedValue) == 0
		for _, a := range p.AllowedValue {
			allowed = allowed || a == value
		}
		if !allowed {
			faults = append(faults, "the scaler azure-queue does not take "+name+": "+value)
		}
	}
	return faults
}

// TestMistypedKEDA: what is mistyped is noticed.
func TestMistypedKEDA(t *testing.T) {
	t.Parallel()
	schema := kedaSchema(t, "scaledobjects", "v1alpha1")
	for from, to := range map[string]string{
		"minReplicaCount: 2":   "minReplicas: 2",
		"maxReplicaCount: 10":  "maxReplicaCount: many",
		"scaleTargetRef:":      "scaleTarget:",
		"pollingInterval: 15":  "pollingInterval: [15]",
		"    failureThreshold": "    failuresThreshold",
	} {
		if err := validate(schema, change(t, keda(t, "ScaledObject"), from, to)); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
		}
	}
	authentication := kedaSchema(t, "triggerauthentications", "v1alpha1")
	for from, to := range map[string]string{"azure-workload": "azure-workloads", "identityId": "identity"} {
		if err := validate(authentication, change(t, keda(t, "TriggerAuthentication"), from, to)); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
		}
	}
	for _, metadata := range []map[string]string{{"queue": "q"}, {"queueLengthStrategy": "visible"}} {
		if len(scalerFaults(azureQueue(t), metadata)) != 1 {
			t.Errorf("metadata %v: no fault", metadata)
		}
	}
}

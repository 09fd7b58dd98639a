package check

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func worker(t testing.TB) []byte { return read(t, "kubernetes", "worker.yaml") }

func deployment(t testing.TB) (d appsv1.Deployment) {
	t.Helper()
	if err := yaml.UnmarshalStrict(one(t, worker(t), "apps/v1 Deployment"), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestKubernetesKinds: every document is of a kind that one of the tests here reads.
func TestKubernetesKinds(t *testing.T) {
	t.Parallel()
	var kinds []string
	for _, file := range []string{"worker.yaml", "keda.yaml"} {
		for _, d := range documents(t, read(t, "kubernetes", file)) {
			kinds = append(kinds, d.kind)
		}
	}
	want := []string{"v1 ServiceAccount", "apps/v1 Deployment", "policy/v1 PodDisruptionBudget", "keda.sh/v1alpha1 TriggerAuthentication", "keda.sh/v1alpha1 ScaledObject"}
	if !slices.Equal(kinds, want) {
		t.Errorf("the kinds are %q, want %q", kinds, want)
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	var a corev1.ServiceAccount
	if err := yaml.UnmarshalStrict(one(t, worker(t), "v1 ServiceAccount"), &a); err != nil {
		t.Fatal(err)
	}
	pod := deployment(t).Spec.Template
	if pod.Spec.ServiceAccountName != a.Name {
		t.Errorf("the pods' account is %q, and there is %q", pod.Spec.ServiceAccountName, a.Name)
	}
	if a.Annotations["azure.workload.identity/client-id"] == "" || pod.Labels["azure.workload.identity/use"] != "true" {
		t.Error("the workload identity is not asked for by both the account's annotation and the pods' label")
	}
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	pod := d.Spec.Template.Spec
	if d.Spec.Replicas != nil {
		t.Error("the number of replicas is set, which the scaler sets as well")
	}
	if grace := pod.TerminationGracePeriodSeconds; grace == nil || *grace <= drain+10 {
		t.Error("the grace period is not longer than the drain")
	}
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			t.Errorf("the pods have no label %s=%s, by which they are selected", key, value)
		}
	}
	if len(pod.Containers) != 1 {
		t.Fatalf("there are %d containers", len(pod.Containers))
	}
	c := pod.Containers[0]
	var env []variable
	for _, v := range c.Env {
		env = append(env, variable{v.Name, v.Value})
	}
	checkEnvironment(t, "WorkloadIdentityCredential", env)
	if limit := c.Resources.Limits.Memory().Value(); limit != 1<<30 {
		t.Errorf("the memory limit is %d bytes, for which GOMEMLIMIT was chosen otherwise", limit)
	}
	s, ps := c.SecurityContext, pod.SecurityContext
	if s == nil || ps == nil || ps.RunAsNonRoot == nil || !*ps.RunAsNonRoot || ps.RunAsUser == nil || *ps.RunAsUser == 0 ||
		s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
		s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || ps.SeccompProfile == nil {
		t.Errorf("the container may do more than it needs: %+v, %+v", s, ps)
	}
}

func TestKubernetesProbes(t *testing.T) {
	t.Parallel()
	c := deployment(t).Spec.Template.Spec.Containers[0]
	if len(c.Ports) != 1 || c.Ports[0].ContainerPort != healthPort {
		t.Fatalf("the ports are %+v", c.Ports)
	}
	for path, probes := range map[string][]*corev1.Probe{"/healthz": {c.StartupProbe, c.ReadinessProbe}, "/livez": {c.LivenessProbe}} {
		for _, p := range probes {
			if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path || p.HTTPGet.Port.StrVal != c.Ports[0].Name {
				t.Errorf("a probe asks %+v, want %s on port %s", p, path, c.Ports[0].Name)
			}
		}
	}
}

func TestPodDisruptionBudget(t *testing.T) {
	t.Parallel()
	var b policyv1.PodDisruptionBudget
	if err := yaml.UnmarshalStrict(one(t, worker(t), "policy/v1 PodDisruptionBudget"), &b); err != nil {
		t.Fatal(err)
	}
	// minAvailable would keep nodes with the only worker from being drained.
	if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 || b.Spec.MinAvailable != nil {
		t.Errorf("the budget is %+v", b.Spec)
	}
	if got, want := b.Spec.Selector.MatchLabels, deployment(t).Spec.Selector.MatchLabels; len(got) != len(want) || got["app.kubernetes.io/name"] != want["app.kubernetes.io/name"] {
		t.Errorf("the budget is for %v, the pods are %v", got, want)
	}
}

// TestMistypedKubernetes: what is mistyped is noticed.
func TestMistypedKubernetes(t *testing.T) {
	t.Parallel()
	text := one(t, worker(t), "apps/v1 Deployment")
	for from, to := range map[string]string{
		"terminationGracePeriodSeconds": "terminationGracePeriod",
		"readOnlyRootFilesystem":        "readonlyRootFS",
		"maxSurge: 1":                   "maxSurge: [1]",
		"livenessProbe":                 "livelinessProbe",
		"containerPort: 8080":           "containerPort: http",
	} {
		var d appsv1.Deployment
		if err := yaml.UnmarshalStrict(change(t, text, from, to), &d); err == nil {
			t.Errorf("%s instead of %s: no error", to, from)
		}
	}
	var d appsv1.Deployment
	twice := strings.Replace(string(text), "spec:\n", "spec:\n  minReadySeconds: 1\n", 1)
	if err := yaml.UnmarshalStrict([]byte(twice), &d); err == nil {
		t.Error("a field that is there twice: no error")
	}
}

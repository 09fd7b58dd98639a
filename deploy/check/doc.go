// Package check reads the files in deploy as those read them who will: the Dockerfile with BuildKit's parser and linter, the Kubernetes manifests into
// Kubernetes' types, KEDA's against the schemas that its release installs in a cluster, the Container Apps manifest against a schema of that resource, the unit with
// systemd itself. It compares them with each other, and their queues with those of the hub that they name.
//
// It is a module of its own, so that none of what it needs is a dependency of the library.
package check

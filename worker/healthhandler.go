package worker

import (
	"encoding/json"
	"net/http"
)

// HealthHandler serves [Worker.Health] as JSON, for /healthz: with status 200 when the worker is healthy, 503 when it is
// not. It answers GET and HEAD, on whatever path it is mounted, and makes no storage call. The answer names the hub, its
// queues and workers, so it belongs on a port that is not public.
func (w *Worker) HealthHandler() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			rw.Header().Set("Allow", "GET, HEAD")
			http.Error(rw, "use GET or HEAD", http.StatusMethodNotAllowed)
			return
		}
		h := w.Health()
		body, err := json.MarshalIndent(h, "", "  ")
		if err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		rw.Header().Set("Cache-Control", "no-store")
		if !h.Healthy {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = rw.Write(append(body, '\n')) // whoever asked may have gone
	})
}

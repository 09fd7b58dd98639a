package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-taskhub/taskhub/httpapi"
	"github.com/go-taskhub/taskhub/taskhub"
)

// pageInstances is how many instances the first page shows at a time.
const pageInstances = 100

// devStyle is the page's style. The page has no scripts and loads nothing.
const devStyle = `body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}code{overflow-wrap:anywhere}` +
	`table{border-collapse:collapse}th,td{text-align:left;padding:.2em 1.5em .2em 0;overflow-wrap:anywhere}th{border-bottom:1px solid}`

// devPolicy allows the page its style, by its hash, and nothing else.
var devPolicy = func() string {
	sum := sha256.Sum256([]byte(devStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// devPage is the first page.
var devPage = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>taskhub dev</title>
<style>` + devStyle + `</style>
</head>
<body>
<h1>taskhub dev</h1>
<p>Embedded Azure Storage is running. For programs and Azure Storage Explorer, its connection string is:</p>
<p><code>{{.Connection}}</code></p>
<h2>Task hubs</h2>
{{if .Hubs}}<ul>{{range .Hubs}}
<li>{{if eq .Name $.Hub}}<strong>{{.Name}}</strong>{{else}}<a href="/?hub={{.Name}}">{{.Name}}</a>{{end}}, {{.Partitions}} partitions</li>{{end}}
</ul>{{else}}<p>There is none yet. A worker creates its hub, and so does the first start of an orchestration.</p>
{{end}}{{if .Hub}}<h2>Instances of {{.Hub}}</h2>
{{if .Instances}}<table>
<tr><th>Instance</th><th>Orchestrator</th><th>Status</th><th>Created</th><th></th></tr>{{range .Instances}}
<tr><td><a href="{{.Link}}">{{.ID}}</a></td><td>{{.Name}}</td><td>{{.Status}}</td><td>{{.Created}}</td><td><a href="{{.History}}">history</a></td></tr>{{end}}
</table>
{{else}}<p>There are none.</p>
{{end}}{{if .Next}}<p><a href="{{.Next}}">More</a></p>
{{end}}<p>As JSON: <a href="{{.List}}">{{.List}}</a></p>
{{end}}<h2>HTTP API</h2>
<p>The management API of Durable Functions is below <code>{{.Base}}</code>; <a href="/openapi.json">openapi.json</a> describes it.
Requests name their hub with <code>?taskHub=</code>; without it they mean {{.Default}}.</p>
</body>
</html>
`))

// pageContent is what the first page shows.
type pageContent struct {
	Connection, Base, Default string
	Hubs                      []taskhub.Info
	Hub                       string // the one whose instances are shown; empty for none
	Instances                 []pageInstance
	List, Next                string
}

// pageInstance is an instance on the first page. The links lead to the API.
type pageInstance struct{ ID, Name, Status, Created, Link, History string }

// page writes the first page.
func (d *devAPI) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", devPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if !isThisMachine(r.Host) { // a page of a site whose name was made to lead to this machine
		http.Error(w, "The Host header does not name this machine.", http.StatusForbidden)
		return
	}
	content, err := d.content(r)
	if errors.As(err, new(*taskhub.InvalidTokenError)) {
		http.Error(w, "The token is not one that this page has given.", http.StatusBadRequest)
		return
	}
	if err != nil {
		d.logger.ErrorContext(r.Context(), "the task hubs cannot be listed", slog.Any(keyError, err))
		http.Error(w, "The task hubs cannot be listed; the terminal says why.", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	if err = devPage.Execute(w, content); err != nil && r.Context().Err() == nil {
		d.logger.WarnContext(r.Context(), "the page was not written", slog.Any(keyError, err))
	}
}

// content reads what the page shows: the hubs, and some instances of the one that is asked for, or of the first.
func (d *devAPI) content(r *http.Request) (*pageContent, error) {
	hubs, err := taskhub.List(r.Context(), taskhub.Config{Account: d.account, Logger: d.logger})
	if err != nil {
		return nil, err
	}
	content := &pageContent{Connection: d.connection, Base: httpapi.DefaultBasePath, Default: defaultHub, Hubs: hubs}
	asked := r.URL.Query()
	for _, hub := range hubs {
		if content.Hub == "" || hub.Name == asked.Get("hub") {
			content.Hub = hub.Name
		}
	}
	if content.Hub == "" {
		return content, nil
	}
	return content, d.addInstances(r, content, asked.Get("token"))
}

func (d *devAPI) addInstances(r *http.Request, content *pageContent, token string) error {
	hub, err := d.open(r.Context(), content.Hub)
	if err != nil {
		return err
	}
	defer func() { _ = hub.Close() }() // the account stays open, so there is nothing that could fail
	page, err := hub.Client().QueryPage(r.Context(), taskhub.Query{IncludeEntities: true, PageSize: pageInstances}, token)
	if err != nil {
		return err
	}
	query := "?taskHub=" + url.QueryEscape(content.Hub)
	content.List = content.Base + "/instances" + query
	for _, in := range page.Instances {
		link := content.Base + "/instances/" + url.PathEscape(in.InstanceID) + query
		content.Instances = append(content.Instances, pageInstance{
			ID: in.InstanceID, Name: in.Name, Status: statusName(in.Status), Created: formatTime(in.CreatedAt), Link: link, History: link + "&showHistory=true&showHistoryOutput=true",
		})
	}
	if page.Next != "" {
		content.Next = "/?hub=" + url.QueryEscape(content.Hub) + "&token=" + url.QueryEscape(page.Next)
	}
	return nil
}

// isThisMachine tells whether a Host header is this machine's.
func isThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

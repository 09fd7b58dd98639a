package ioenv

import (
	crand "crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand"
	randv2 "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	gofrs "github.com/gofrs/uuid/v5"
	"github.com/google/uuid"

	"github.com/go-taskhub/taskhub/durable"
)

func random(ctx *durable.Context) {
	_ = rand.Intn(3)                      // want `rand\.Intn gives every replay another value; use ctx\.Rand\(\)`
	_ = randv2.IntN(3)                    // want `rand\.IntN gives`
	_ = randv2.N(3)                       // want `rand\.N gives`
	rand.Shuffle(3, func(i, j int) {})    // want `rand\.Shuffle`
	_, _ = crand.Read(nil)                // want `rand\.Read gives`
	_, _ = io.ReadFull(crand.Reader, nil) // want `rand\.Reader gives`
	seeded := rand.New(rand.NewSource(42))
	_ = seeded.Intn(3)
	_ = ctx.Rand().IntN(3)
}

func ids(ctx *durable.Context, s string) {
	_ = uuid.New()              // want `uuid\.New makes another id in every replay; use ctx\.NewUUID\(\)`
	_ = uuid.NewString()        // want `uuid\.NewString`
	_ = uuid.Must(uuid.NewV7()) // want `uuid\.NewV7`
	_, _ = gofrs.NewV4()        // want `uuid\.NewV4`
	_, _ = uuid.Parse(s)
	_ = uuid.NewSHA1(uuid.UUID{}, []byte(s))
	_ = ctx.NewUUID()
}

func inputOutput(ctx *durable.Context, db *sql.DB, conn net.Conn, w io.Writer) error {
	resp, err := http.Get("http://x") // want `http\.Get does I/O, which every replay repeats and whose outcome the history does not keep; do it in an activity`
	if err != nil {
		return err
	}
	_, _ = io.ReadAll(resp.Body)
	_, _ = http.DefaultClient.Do(nil)     // want `Client\.Do does I/O`
	client := http.DefaultClient          // want `http\.DefaultClient does I/O`
	_, _ = client.Get("http://x")         // want `Client\.Get does I/O`
	_, _ = net.Dial("tcp", "x")           // want `net\.Dial does I/O`
	_, _ = conn.Read(nil)                 // want `Conn\.Read does I/O`
	_, _ = os.ReadFile("x")               // want `os\.ReadFile does I/O`
	_ = exec.Command("ls").Run()          // want `Cmd\.Run does I/O`
	_, _ = db.Query("select 1")           // want `DB\.Query does I/O`
	_ = filepath.Walk("x", nil)           // want `filepath\.Walk does I/O`
	_, _ = net.ResolveTCPAddr("tcp", "x") // want `net\.ResolveTCPAddr does I/O`

	_ = http.StatusText(http.StatusOK)
	_ = net.JoinHostPort("x", "1")
	_ = net.ParseIP("1.2.3.4")
	_, _ = url.Parse("http://x")
	_ = filepath.Join("a", "b")
	_ = os.IsNotExist(err)
	_ = errors.Is(err, os.ErrNotExist)
	_, _ = io.WriteString(w, "x")
	_ = strings.NewReader("x")
	_, _ = json.Marshal(map[string]int{"a": 1})
	return fmt.Errorf("x: %w", err)
}

func environment(ctx *durable.Context) {
	_ = os.Getenv("X")       // want `os\.Getenv depends on the machine and process that replay; pass it in the input, or read it in an activity`
	_, _ = os.LookupEnv("X") // want `os\.LookupEnv`
	_, _ = os.Hostname()     // want `os\.Hostname`
	_ = os.Args              // want `os\.Args depends`
	_ = runtime.NumCPU()     // want `runtime\.NumCPU`
	_ = runtime.GOOS
	_ = os.Setenv("X", "") // want `os\.Setenv changes a variable that all instances share`
	os.Exit(1)             // want `os\.Exit ends the worker with all its instances; return an error`
}

func output(ctx *durable.Context, l *log.Logger, s *slog.Logger) {
	fmt.Println("x")             // want `fmt\.Println prints again in every replay; use ctx\.Logger\(\)`
	fmt.Fprintln(os.Stderr, "x") // want `os\.Stderr prints`
	log.Printf("x")              // want `log\.Printf prints`
	l.Print("x")                 // want `Logger\.Print prints`
	slog.Info("x")               // want `slog\.Info prints`
	slog.Default().Info("x")     // want `slog\.Default prints`
	println("x")                 // want `println prints`
	log.Fatal("x")               // want `log\.Fatal ends the worker`
	ctx.Logger().Info("x", "n", 1)
	ctx.Logger().With("a", 1).Warn("x")
	s.Info("may be ctx's")
	_ = fmt.Sprintf("%d", 1)
	var b strings.Builder
	fmt.Fprintf(&b, "x")
}

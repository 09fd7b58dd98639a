package durablevet

import (
	"go/types"
	"strings"
	"sync"
)

// rules are the functions and variables that do not belong into orchestrators. The
// standard library is judged by this table alone; other packages also by their code.
type rules struct {
	funcs map[string]kind     // by funcKey
	all   map[string]kind     // packages of which every package-level function counts
	pure  map[string]struct{} // exceptions to all, by funcKey
	vars  map[string]kind     // package-level variables: path.Name
}

// group is a line of the table: names is a list with spaces between, "Type.Name" for
// methods; "*" stands for all package-level functions but the pure ones.
type group struct {
	kind  kind
	path  string
	names string
	pure  string
}

// table is built once and not changed after.
var table = sync.OnceValue(func() *rules {
	r := &rules{funcs: map[string]kind{}, all: map[string]kind{}, pure: map[string]struct{}{}, vars: map[string]kind{}}
	for _, groups := range [][]group{standardGroups(), moduleGroups()} {
		for _, g := range groups {
			r.add(g)
		}
	}
	for _, v := range variables() {
		for name := range strings.FieldsSeq(v.names) {
			r.vars[v.path+"."+name] = v.kind
		}
	}
	return r
})

func (r *rules) add(g group) {
	for name := range strings.FieldsSeq(g.names) {
		if name == "*" {
			r.all[g.path] = g.kind
			continue
		}
		r.funcs[g.path+"."+name] = g.kind
	}
	for name := range strings.FieldsSeq(g.pure) {
		r.pure[g.path+"."+name] = struct{}{}
	}
}

// ofFunc returns what is wrong with calling fn, kindNone if nothing is known.
func (r *rules) ofFunc(fn *types.Func) kind {
	key := funcKey(fn)
	if k, ok := r.funcs[key]; ok {
		return k
	}
	if fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return kindNone
	}
	if _, pure := r.pure[key]; pure {
		return kindNone
	}
	return r.all[fn.Pkg().Path()]
}

// ofVar returns what is wrong with using the package-level variable v.
func (r *rules) ofVar(v *types.Var) kind {
	if v.Pkg() == nil || v.IsField() || v.Parent() != v.Pkg().Scope() {
		return kindNone
	}
	return r.vars[v.Pkg().Path()+"."+v.Name()]
}

func variables() []group {
	return []group{
		{kind: kindRandom, path: "crypto/rand", names: "Reader"},
		{kind: kindIO, path: "net/http", names: "DefaultClient DefaultTransport DefaultServeMux"},
		{kind: kindIO, path: "net", names: "DefaultResolver"},
		{kind: kindIO, path: "os", names: "Stdin"},
		{kind: kindOutput, path: "os", names: "Stdout Stderr"},
		{kind: kindEnvironment, path: "os", names: "Args"},
	}
}

func standardGroups() []group {
	return []group{
		{kind: kindClock, path: "time", names: "Now Since Until"},
		{kind: kindTimer, path: "time", names: "Sleep After AfterFunc NewTimer NewTicker Tick Timer.Reset Ticker.Reset"},

		{kind: kindRandom, path: "math/rand", names: "*", pure: "New NewSource NewZipf"},
		{kind: kindRandom, path: "math/rand/v2", names: "*", pure: "New NewPCG NewChaCha8 NewZipf"},
		{kind: kindRandom, path: "crypto/rand", names: "*"},
		{kind: kindRandom, path: "crypto/rsa", names: "GenerateKey GenerateMultiPrimeKey"},
		{kind: kindRandom, path: "crypto/ecdsa", names: "GenerateKey"},
		{kind: kindRandom, path: "crypto/ed25519", names: "GenerateKey"},
		{kind: kindRandom, path: "crypto/ecdh", names: "Curve.GenerateKey"},
		{kind: kindRandom, path: "crypto/mlkem", names: "GenerateKey768 GenerateKey1024"},
		{kind: kindRandom, path: "hash/maphash", names: "MakeSeed Hash.Sum64 Hash.Seed"},

		{kind: kindIO, path: "net", names: "Dial DialIP DialTCP DialTimeout DialUDP DialUnix Listen ListenIP ListenMulticastUDP ListenPacket ListenTCP ListenUDP ListenUnix " +
			"ListenUnixgram LookupAddr LookupCNAME LookupHost LookupIP LookupMX LookupNS LookupPort LookupSRV LookupTXT ResolveIPAddr ResolveTCPAddr ResolveUDPAddr " +
			"ResolveUnixAddr Interfaces InterfaceAddrs InterfaceByIndex InterfaceByName FileConn FileListener FilePacketConn " +
			"Dialer.Dial Dialer.DialContext Dialer.DialTCP Dialer.DialUDP Dialer.DialUnix Dialer.DialIP ListenConfig.Listen ListenConfig.ListenPacket " +
			"Resolver.LookupAddr Resolver.LookupCNAME Resolver.LookupHost Resolver.LookupIP Resolver.LookupIPAddr Resolver.LookupMX Resolver.LookupNetIP Resolver.LookupNS " +
			"Resolver.LookupPort Resolver.LookupSRV Resolver.LookupTXT " +
			"Conn.Read Conn.Write Listener.Accept PacketConn.ReadFrom PacketConn.WriteTo TCPConn.Read TCPConn.Write UDPConn.Read UDPConn.Write UnixConn.Read UnixConn.Write"},
		{kind: kindIO, path: "net/http", names: "Get Head Post PostForm ListenAndServe ListenAndServeTLS Serve ServeTLS ServeFile ServeFileFS " +
			"Client.Do Client.Get Client.Head Client.Post Client.PostForm Transport.RoundTrip RoundTripper.RoundTrip " +
			"Server.ListenAndServe Server.ListenAndServeTLS Server.Serve Server.ServeTLS Server.Close Server.Shutdown"},
		{kind: kindIO, path: "net/rpc", names: "Dial DialHTTP DialHTTPPath Client.Call Client.Go Accept"},
		{kind: kindIO, path: "net/smtp", names: "Dial SendMail NewClient"},
		{kind: kindIO, path: "net/textproto", names: "Dial"},
		{kind: kindIO, path: "crypto/tls", names: "Dial DialWithDialer Listen LoadX509KeyPair Dialer.Dial Dialer.DialContext Conn.Read Conn.Write Conn.Handshake"},
		{kind: kindIO, path: "os", names: "Chdir Chmod Chown Chtimes CopyFS Create CreateTemp DirFS FindProcess Lchown Link Lstat Mkdir MkdirAll MkdirTemp Open OpenFile " +
			"OpenInRoot OpenRoot Pipe ReadDir ReadFile Readlink Remove RemoveAll Rename SameFile StartProcess Stat Symlink Truncate WriteFile " +
			"File.Chmod File.Read File.ReadAt File.ReadDir File.ReadFrom File.Readdir File.Readdirnames File.Seek File.Stat File.Sync File.Truncate File.Write File.WriteAt " +
			"File.WriteString File.WriteTo Process.Kill Process.Signal Process.Wait Root.Create Root.Lstat Root.Mkdir Root.MkdirAll Root.Open Root.OpenFile Root.ReadFile " +
			"Root.Remove Root.RemoveAll Root.Rename Root.Stat Root.WriteFile"},
		{kind: kindIO, path: "os/exec", names: "Command CommandContext LookPath Cmd.CombinedOutput Cmd.Output Cmd.Run Cmd.Start Cmd.Wait"},
		{kind: kindIO, path: "io/ioutil", names: "ReadDir ReadFile TempDir TempFile WriteFile"},
		{kind: kindIO, path: "path/filepath", names: "EvalSymlinks Glob Walk WalkDir"},
		{kind: kindIO, path: "database/sql", names: "Open OpenDB Conn.BeginTx Conn.ExecContext Conn.PingContext Conn.PrepareContext Conn.QueryContext Conn.QueryRowContext Conn.Raw " +
			"DB.Begin DB.BeginTx DB.Conn DB.Exec DB.ExecContext DB.Ping DB.PingContext DB.Prepare DB.PrepareContext DB.Query DB.QueryContext DB.QueryRow DB.QueryRowContext " +
			"Stmt.Exec Stmt.ExecContext Stmt.Query Stmt.QueryContext Stmt.QueryRow Stmt.QueryRowContext " +
			"Tx.Commit Tx.Exec Tx.ExecContext Tx.Prepare Tx.PrepareContext Tx.Query Tx.QueryContext Tx.QueryRow Tx.QueryRowContext Tx.Rollback"},
		{kind: kindIO, path: "html/template", names: "ParseFiles ParseGlob Template.ParseFiles Template.ParseGlob"},
		{kind: kindIO, path: "text/template", names: "ParseFiles ParseGlob Template.ParseFiles Template.ParseGlob"},
		{kind: kindIO, path: "archive/zip", names: "OpenReader"},
		{kind: kindIO, path: "plugin", names: "Open"},
		{kind: kindIO, path: "log/syslog", names: "*"},
		{kind: kindIO, path: "fmt", names: "Scan Scanf Scanln"},
		{kind: kindIO, path: "syscall", names: "Exec ForkExec Kill Open Read StartProcess Write"},

		{kind: kindExit, path: "os", names: "Exit"},
		{kind: kindExit, path: "log", names: "Fatal Fatalf Fatalln Logger.Fatal Logger.Fatalf Logger.Fatalln"},
		{kind: kindExit, path: "syscall", names: "Exit"},

		{kind: kindGoroutine, path: "sync", names: "WaitGroup.Go"},
		{kind: kindGoroutine, path: "context", names: "AfterFunc"},
		{kind: kindLock, path: "sync", names: "Mutex.Lock Mutex.TryLock RWMutex.Lock RWMutex.RLock RWMutex.TryLock RWMutex.TryRLock Locker.Lock WaitGroup.Wait Once.Do OnceFunc " +
			"OnceValue OnceValues NewCond Cond.Broadcast Cond.Signal Cond.Wait Map.Clear Map.CompareAndDelete Map.CompareAndSwap Map.Delete Map.Load Map.LoadAndDelete " +
			"Map.LoadOrStore Map.Range Map.Store Map.Swap"},

		{kind: kindEnvironment, path: "os", names: "Environ Executable ExpandEnv Getegid Getenv Geteuid Getgid Getpid Getppid Getuid Getwd Hostname LookupEnv TempDir " +
			"UserCacheDir UserConfigDir UserHomeDir"},
		{kind: kindEnvironment, path: "os/user", names: "*"},
		{kind: kindEnvironment, path: "os/signal", names: "*"},
		{kind: kindEnvironment, path: "path/filepath", names: "Abs"},
		{kind: kindEnvironment, path: "runtime", names: "GOMAXPROCS NumCPU NumGoroutine ReadMemStats"},
		{kind: kindEnvironment, path: "syscall", names: "Environ Getenv Getpid"},

		{kind: kindGlobal, path: "log", names: "SetFlags SetOutput SetPrefix"},
		{kind: kindGlobal, path: "log/slog", names: "SetDefault SetLogLoggerLevel"},
		{kind: kindGlobal, path: "net/http", names: "Handle HandleFunc"},
		{kind: kindGlobal, path: "os", names: "Clearenv Setenv Unsetenv"},
		{kind: kindGlobal, path: "syscall", names: "Clearenv Setenv Unsetenv"},

		{kind: kindOutput, path: "fmt", names: "Print Printf Println"},
		{kind: kindOutput, path: "log", names: "Default Output Panic Panicf Panicln Print Printf Println Writer Logger.Output Logger.Panic Logger.Panicf Logger.Panicln Logger.Print " +
			"Logger.Printf Logger.Println"},
		// Not the methods of slog.Logger: ctx.Logger() is one.
		{kind: kindOutput, path: "log/slog", names: "Debug DebugContext Default Error ErrorContext Info InfoContext Log LogAttrs Warn WarnContext With"},
	}
}

// moduleGroups are widespread modules whose code says less than their name does.
func moduleGroups() []group {
	groups := []group{
		{kind: kindUUID, path: "github.com/google/uuid", names: "New NewString NewRandom NewRandomFromReader NewUUID NewV6 NewV7 NewV7FromReader NewDCEGroup NewDCEPerson NewDCESecurity"},
		{kind: kindUUID, path: "github.com/satori/go.uuid", names: "NewV1 NewV2 NewV4"},
		{kind: kindUUID, path: "github.com/hashicorp/go-uuid", names: "GenerateRandomBytes GenerateUUID"},
		{kind: kindUUID, path: "github.com/rs/xid", names: "New"},
		{kind: kindUUID, path: "github.com/segmentio/ksuid", names: "New NewRandom"},
		{kind: kindUUID, path: "github.com/matoous/go-nanoid/v2", names: "Generate MustGenerate Must New"},
		{kind: kindGoroutine, path: "golang.org/x/sync/errgroup", names: "Group.Go Group.TryGo"},
		{kind: kindLock, path: "golang.org/x/sync/errgroup", names: "Group.Wait"},
		{kind: kindLock, path: "golang.org/x/sync/semaphore", names: "Weighted.Acquire Weighted.TryAcquire"},
		{kind: kindLock, path: "golang.org/x/sync/singleflight", names: "Group.Do Group.DoChan"},
		{kind: kindOutput, path: "go.uber.org/zap", names: "L S " + methods("Logger", "Debug Info Warn Error DPanic Panic Fatal Log") +
			methods("SugaredLogger", "Debug Debugf Debugln Debugw Info Infof Infoln Infow Warn Warnf Warnln Warnw Error Errorf Errorln Errorw Panic Panicf Panicw Fatal Fatalf Fatalw")},
		{kind: kindOutput, path: "github.com/sirupsen/logrus", names: "Debug Debugf Debugln Info Infof Infoln Print Printf Println Trace Tracef Warn Warnf Warning Warningf Error Errorf Errorln " +
			methods("Logger", "Debug Debugf Info Infof Print Printf Trace Tracef Warn Warnf Warning Warningf Error Errorf") +
			methods("Entry", "Debug Debugf Info Infof Print Printf Trace Tracef Warn Warnf Warning Warningf Error Errorf")},
		{kind: kindOutput, path: "github.com/rs/zerolog", names: "Event.Msg Event.MsgFunc Event.Msgf Event.Send"},
	}
	for _, version := range []string{"", "/v3", "/v4", "/v5"} {
		groups = append(groups, group{kind: kindUUID, path: "github.com/gofrs/uuid" + version, names: "NewV1 NewV4 NewV6 NewV7 Gen.NewV1 Gen.NewV4 Gen.NewV6 Gen.NewV7 Generator.NewV1 " +
			"Generator.NewV4 Generator.NewV6 Generator.NewV7"})
	}
	for _, version := range []string{"", "/v2"} {
		groups = append(groups, group{kind: kindUUID, path: "github.com/oklog/ulid" + version, names: "Make Now MustNewDefault DefaultEntropy"})
	}
	return groups
}

func methods(receiver, names string) string {
	var b strings.Builder
	for name := range strings.FieldsSeq(names) {
		b.WriteString(receiver + "." + name + " ")
	}
	return b.String()
}

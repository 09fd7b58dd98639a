package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// settings are what a project of Azure Functions says about its storage account and task hub: the app settings, which are
// environment variables or else in local.settings.json, and host.json. The files are those of the working directory and are
// read when something is looked up in them.
type settings struct {
	world world

	read   bool
	err    error
	values map[string]string // of local.settings.json
	host   hostSettings
}

// hostSettings is the part of host.json that is of use here.
type hostSettings struct {
	hub            string
	connection     string // name of the setting
	tracking       string // name of the setting
	trackingPrefix string
	base64         bool // messages are in Base64
}

// Files of a project of Azure Functions.
const (
	hostFile  = "host.json"
	localFile = "local.settings.json"
)

// load reads the files, once. Files that are not there are no error.
func (s *settings) load() error {
	if !s.read {
		s.read = true
		s.err = errors.Join(s.readLocal(), s.readHost())
	}
	return s.err
}

func (s *settings) readLocal() error {
	var file struct {
		IsEncrypted       bool
		Values            map[string]any
		ConnectionStrings map[string]any
	}
	if found, err := s.readFile(localFile, &file); err != nil || !found {
		return err
	}
	if file.IsEncrypted {
		return fmt.Errorf(`%s is encrypted: decrypt it with "func settings decrypt", or give --conn`, localFile)
	}
	s.values = make(map[string]string)
	for name, value := range file.Values {
		if text, ok := value.(string); ok {
			s.values[name] = text
		}
	}
	for name, value := range file.ConnectionStrings {
		if text, ok := value.(string); ok {
			s.values["ConnectionStrings:"+name] = text
		}
	}
	return nil
}

func (s *settings) readHost() error {
	var file struct {
		Extensions struct {
			DurableTask struct {
				HubName         string
				StorageProvider struct {
					Type, ConnectionName, ConnectionStringName, AzureStorageConnectionStringName            string
					TrackingStoreConnectionName, TrackingStoreConnectionStringName, TrackingStoreNamePrefix string
					QueueClientMessageEncoding                                                              string
				}
			}
		}
	}
	if found, err := s.readFile(hostFile, &file); err != nil || !found {
		return err
	}
	durable := file.Extensions.DurableTask
	provider := durable.StorageProvider
	if kind := provider.Type; kind != "" && !strings.EqualFold(kind, "AzureStorage") {
		return fmt.Errorf("%s names the storage provider %q, and this command knows AzureStorage only: give --conn and --hub, or leave the directory", hostFile, kind)
	}
	s.host = hostSettings{
		hub: s.expand(durable.HubName), trackingPrefix: provider.TrackingStoreNamePrefix,
		base64: strings.EqualFold(provider.QueueClientMessageEncoding, encodingBase64),
	}
	for _, name := range []string{provider.ConnectionName, provider.ConnectionStringName, provider.AzureStorageConnectionStringName} {
		if s.host.connection == "" {
			s.host.connection = name
		}
	}
	for _, name := range []string{provider.TrackingStoreConnectionName, provider.TrackingStoreConnectionStringName} {
		if s.host.tracking == "" {
			s.host.tracking = name
		}
	}
	return nil
}

// readFile reads a JSON file of the working directory, in which Azure Functions allows comments.
func (s *settings) readFile(name string, into any) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(s.world.dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s cannot be read (%w): give --conn and --hub, or leave the directory", name, innermost(err))
	}
	text = withoutComments(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("%s cannot be understood (%w): mend it, or give --conn and --hub", name, err)
	}
	return true, nil
}

// expand replaces app settings in the hub's name, which are written %name%.
func (s *settings) expand(text string) string {
	name, ok := strings.CutPrefix(text, "%")
	if name, more := strings.CutSuffix(name, "%"); ok && more {
		value, _ := s.value(name)
		return value
	}
	return text
}

// value looks for an app setting: among the environment variables, then in local.settings.json. The source says where it
// was found. A colon separates sections; in names of variables these are two underscores.
func (s *settings) value(name string) (value, source string) {
	variable := strings.ReplaceAll(name, ":", "__")
	if value = strings.TrimSpace(s.world.getenv(variable)); value != "" {
		return value, variable
	}
	for _, key := range []string{name, variable} {
		if value = strings.TrimSpace(s.values[key]); value != "" {
			return value, localFile + ", " + key
		}
	}
	return "", ""
}

// withoutComments takes comments out of JSON, and commas before a closing bracket.
func withoutComments(text []byte) []byte {
	clean := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		switch rest := text[i:]; {
		case rest[0] == '"':
			end := stringEnd(rest)
			clean = append(clean, rest[:end]...)
			i += end
		case bytes.HasPrefix(rest, []byte("//")):
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				return clean
			}
			i += end
		case bytes.HasPrefix(rest, []byte("/*")):
			end := bytes.Index(rest, []byte("*/"))
			if end < 0 {
				return clean
			}
			i += end + len("*/")
		case rest[0] == '}' || rest[0] == ']':
			clean = append(bytes.TrimSuffix(bytes.TrimRight(clean, " \t\r\n"), []byte(",")), rest[0])
			i++
		default:
			clean = append(clean, rest[0])
			i++
		}
	}
	return clean
}

// stringEnd returns the length of the JSON string that a text begins with.
func stringEnd(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

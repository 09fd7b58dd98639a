package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/go-taskhub/taskhub/emulator"
	"github.com/go-taskhub/taskhub/httpapi"
)

// devText is what somebody who started the embedded storage should know.
func devText(dir, connection string, addresses [services]string, api string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Embedded Azure Storage is running. Its data is in %s\n\n", dir)
	for i, name := range serviceNames() {
		fmt.Fprintf(&text, "  %-6s http://%s/%s\n", name, addresses[i], emulator.DevelopmentAccount)
	}
	fmt.Fprintf(&text, "\nConnection string (account and key are those of every storage emulator, and no secret):\n\n  %s\n\n", connection)
	if customary(addresses) {
		text.WriteString("On this machine UseDevelopmentStorage=true means the same:\n\n" +
			"  export AzureWebJobsStorage=UseDevelopmentStorage=true\n\n" +
			"Azure Storage Explorer finds it by itself: Storage Accounts > Emulator - Default Ports.\n")
	} else {
		fmt.Fprintf(&text, "UseDevelopmentStorage=true does not lead here, as it means 127.0.0.1 and the ports %d to %d. In Azure Storage Explorer,\n"+
			"open Connect, choose \"Storage account or service\" and then \"Connection string\", and paste the one above.\n", firstPort, firstPort+services-1)
	}
	fmt.Fprintf(&text, "\nOpen http://%s/ in a browser. The HTTP API of Durable Functions is at http://%s%s\n", api, api, httpapi.DefaultBasePath)
	text.WriteString("\nCtrl-C stops it. The data stays.\n")
	return text.String()
}

// customary reports whether UseDevelopmentStorage=true leads to the addresses.
func customary(addresses [services]string) bool {
	for i, address := range addresses {
		host, port, err := net.SplitHostPort(address)
		if err != nil || port != strconv.Itoa(firstPort+i) {
			return false
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() && !ip.Equal(net.IPv4(127, 0, 0, 1)) {
			return false
		}
	}
	return true
}

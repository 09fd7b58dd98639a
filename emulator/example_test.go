package emulator_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"github.com/go-taskhub/taskhub/emulator"
)

// An SDK client on embedded storage, without a socket.
func ExampleServer_Transport() {
	ctx := context.Background()
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		slog.Error("no storage", "error", err)
		return
	}
	defer server.Close()
	client, err := azqueue.NewServiceClientFromConnectionString(server.ConnectionString(),
		&azqueue.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: server.Transport()}})
	if err != nil {
		slog.Error("no client", "error", err)
		return
	}
	queue := client.NewQueueClient("orders")
	if _, err := queue.Create(ctx, nil); err != nil {
		slog.Error("no queue", "error", err)
		return
	}
	if _, err := queue.EnqueueMessage(ctx, "hello", nil); err != nil {
		slog.Error("nothing sent", "error", err)
		return
	}
	got, err := queue.DequeueMessage(ctx, nil)
	if err != nil {
		slog.Error("nothing received", "error", err)
		return
	}
	fmt.Println(*got.Messages[0].MessageText)
	// Output: hello
}

// A server for other processes: its connection string goes to them.
func ExampleServer_Listen() {
	server, err := emulator.New(emulator.Config{})
	if err != nil {
		slog.Error("no storage", "error", err)
		return
	}
	defer server.Close()
	listener, err := server.Listen(context.Background(), emulator.ListenConfig{})
	if err != nil {
		slog.Error("no ports", "error", err)
		return
	}
	_ = listener.ConnectionString()
}

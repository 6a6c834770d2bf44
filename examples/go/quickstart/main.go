// Quickstart creates an instance, uses it, and destroys it.
//
//	HETZNER_TOKEN=... quickstart hetzner fsn1 cx22
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"example.com/spuff"
)

func run(ctx context.Context, name, region, size string) error {
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	provider, err := registry.FromEnv(name)
	if err != nil {
		return err
	}
	defer provider.Close()

	request := spuff.InstanceRequest{Name: "web-1", Region: region, Size: size}
	return provider.WithInstance(ctx, request,
		func(ctx context.Context, instance spuff.Instance) error {
			fmt.Println(instance.Name, "is at", instance.IP)
			return nil
		})
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: quickstart PROVIDER REGION SIZE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

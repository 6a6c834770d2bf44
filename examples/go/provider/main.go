// A provider written in Go: registered, used like any other, and checked by the conformance suite.
//
//	go run ./provider
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/spuff"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// register returns a registry that holds the provider beside the built-in ones.
func register() (*spuff.Registry, error) {
	registry := spuff.NewRegistryWithDefaults()
	return registry, spuff.Register(registry, "memory", spuff.Factory[*memory]{
		Summary:     "instances that live in a map",
		MaxUserData: maxUserData,
		Connect:     newCloud().connect,
	})
}

func config() spuff.Config {
	return spuff.Config{Timeouts: spuff.Timeouts{PollInterval: spuff.Ptr(20 * time.Millisecond)}}
}

func run(ctx context.Context) error {
	registry, err := register()
	if err != nil {
		return err
	}
	defer registry.Close()
	provider, err := registry.Connect("memory", config())
	if err != nil {
		return err
	}
	defer provider.Close()
	request := spuff.InstanceRequest{
		Name: "web-1", Size: "small", Labels: map[string]string{"env": "test"},
	}
	err = provider.WithInstance(ctx, request,
		func(_ context.Context, instance spuff.Instance) error {
			fmt.Printf("%s is %s at %s, with %v\n\n",
				instance.Name, instance.StatusWord, instance.IP, instance.Labels)
			return nil
		})
	if err != nil {
		return err
	}
	report, err := check(ctx, registry)
	if err != nil {
		return err
	}
	fmt.Println(report.Text)
	if !report.Passed {
		return errors.New("the provider violates the contract")
	}
	return nil
}

// check runs the conformance suite on the provider.
func check(ctx context.Context, registry *spuff.Registry) (spuff.Report, error) {
	return registry.CheckConformance(ctx, "memory", spuff.Subject{
		Config: config(), Request: spuff.InstanceRequest{Region: "north", Size: "small"},
		AbsentID: "m-absent", AbsentSnapshotID: spuff.Ptr("s-absent"), Idempotent: true,
	})
}

// The whole life of an instance: create, wait, list, snapshot, restore from the snapshot, destroy.
//
//	go run ./lifecycle
//	go run ./lifecycle -provider docker
//	HETZNER_TOKEN=… go run ./lifecycle -provider hetzner
//
// Without a provider it runs against a simulated cloud in its own process. With one it creates real
// instances, or containers on this computer, and destroys them even after a failure or Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"example.com/spuff"
)

// The provider that is simulated by default, and how many times as fast its time passes.
const (
	simulated = "hetzner"
	speed     = 30
)

type options struct {
	provider, endpoint, region, size, image, name string
	readyTimeout                                  time.Duration
	noSnapshot                                    bool
}

func main() {
	var o options
	flag.StringVar(&o.provider, "provider", "",
		"digitalocean, hetzner or aws for a real cloud, docker for an engine on this computer; "+
			"by default a simulated cloud")
	flag.StringVar(&o.endpoint, "endpoint", "",
		"the API's base URL or the engine's address, in place of the provider's own")
	flag.StringVar(&o.region, "region", "",
		"region or location; by default a common one, or the provider's default")
	flag.StringVar(&o.size, "size", "",
		"size or type; by default the smallest common one, or the provider's default")
	flag.StringVar(&o.image, "image", "ubuntu:24.04",
		"ubuntu:24.04, debian:12, snapshot:ID, or the provider's own id")
	flag.StringVar(&o.name, "name", fmt.Sprintf("spuff-%x", os.Getpid()),
		"name of the instance and its snapshot")
	flag.DurationVar(&o.readyTimeout, "ready-timeout", 5*time.Minute,
		"how long to wait for an instance to become ready")
	flag.BoolVar(&o.noSnapshot, "no-snapshot", false, "skip the snapshot and the restored instance")
	flag.Parse()
	// The first Ctrl-C cancels the context; a second one ends the program.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		var e *spuff.Error
		if errors.As(err, &e) {
			fmt.Fprintln(os.Stderr, "      ", e.Advice())
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	config, cloud, err := connection(registry, &o)
	if err != nil {
		return err
	}
	if cloud != nil {
		defer cloud.Close()
	}
	provider, err := registry.Connect(o.provider, config)
	if err != nil {
		return err
	}
	defer provider.Close()
	usual := map[string][2]string{
		"digitalocean": {"nyc3", "s-1vcpu-1gb"},
		"hetzner":      {"fsn1", "cx22"},
		"aws":          {"us-east-1", "t3.micro"},
	}
	request := spuff.InstanceRequest{
		Name: o.name, Region: first(o.region, config.Region, usual[provider.Name()][0]),
		Size: first(o.size, usual[provider.Name()][1]), Image: spuff.ParseImage(o.image),
	}
	asked := []string{request.Name, request.Size, request.Region, request.Image.String()}
	asked = slices.DeleteFunc(asked, func(word string) bool { return word == "" })
	fmt.Printf("%s: %s\n", provider.Name(), strings.Join(asked, ", "))

	life := &life{provider: provider}
	began := time.Now()
	lived := life.live(ctx, request, !o.noSnapshot)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr,
			"interrupted: destroying what was created; press Ctrl-C again only to leave it running")
	}
	// Destroy what exists even if the context was cancelled.
	ended := life.end(context.WithoutCancel(ctx))
	fmt.Printf("done in %.1f s\n", time.Since(began).Seconds())
	if cloud != nil {
		bill, err := cloud.Bill()
		if err != nil {
			return err
		}
		fmt.Printf("\na real one would have charged about:\n%s\n", strings.Join(bill, "\n"))
	}
	return errors.Join(lived, ended, spuff.Settled(context.WithoutCancel(ctx)))
}

// connection returns the provider's configuration, and the simulated cloud if there is one.
func connection(registry *spuff.Registry, o *options) (spuff.Config, *spuff.Cloud, error) {
	if o.provider != "" {
		config := spuff.Config{
			Endpoint: o.endpoint,
			Timeouts: spuff.Timeouts{InstanceReady: &o.readyTimeout},
		}
		config, err := registry.ConfigFromEnv(o.provider, config)
		return config, nil, err
	}
	o.provider = simulated
	fmt.Println("no -provider is given: this is a simulated Hetzner Cloud inside this process, " +
		"with no computer behind it and")
	fmt.Printf("nothing to pay; its time passes %d times as fast. For containers on this "+
		"computer, with Docker or Podman:\n", speed)
	fmt.Println("  go run ./lifecycle -provider docker")
	fmt.Println("For real instances, and real money:")
	fmt.Println("  HETZNER_TOKEN=… go run ./lifecycle -provider hetzner")
	fmt.Println()
	cloud, err := spuff.StartCloud(spuff.CloudOptions{Speed: speed})
	if err != nil {
		return spuff.Config{}, nil, err
	}
	config, err := cloud.Config(simulated)
	config.Timeouts.InstanceReady = &o.readyTimeout
	return config, cloud, err
}

// A life holds the resources that this run has created.
type life struct {
	provider             *spuff.Provider
	instances, snapshots []string
}

func (l *life) live(ctx context.Context, request spuff.InstanceRequest, withSnapshot bool) error {
	instance, err := l.start(ctx, request)
	if err != nil {
		return err
	}
	managed, err := step("list", func() ([]spuff.Instance, error) {
		return l.provider.ListInstances(ctx)
	})
	if err != nil {
		return err
	}
	fmt.Printf("            %d managed by spuff\n", len(managed))
	if !slices.ContainsFunc(managed, func(i spuff.Instance) bool { return i.ID == instance.ID }) {
		fmt.Printf("            %s is not listed yet: the cloud's lists lag\n", instance.ID)
	}
	if !withSnapshot || !l.provider.SupportsSnapshots() {
		return nil
	}
	// Not cancellable: the cloud would finish an abandoned snapshot, and this program would not
	// know its id.
	snapshot, err := step("snapshot", func() (spuff.Snapshot, error) {
		return l.provider.CreateSnapshot(context.WithoutCancel(ctx), instance.ID, request.Name)
	})
	if err != nil {
		return err
	}
	fmt.Printf("            %s\n", snapshot.ID)
	l.snapshots = append(l.snapshots, snapshot.ID)
	request.Name += "-restored"
	request.Image = spuff.SnapshotImage(snapshot.ID)
	_, err = l.start(ctx, request)
	return err
}

func (l *life) start(ctx context.Context, request spuff.InstanceRequest) (spuff.Instance, error) {
	instance, err := step("create", func() (spuff.Instance, error) {
		return l.provider.CreateInstance(ctx, request)
	})
	if err != nil {
		return instance, err
	}
	fmt.Printf("            %s\n", instance.ID)
	l.instances = append(l.instances, instance.ID)
	instance, err = step("wait", func() (spuff.Instance, error) {
		return l.provider.WaitReady(ctx, instance.ID)
	})
	if err == nil {
		fmt.Printf("            %s is %s at %s\n", instance.ID, instance.StatusWord, instance.IP)
	}
	return instance, err
}

// end destroys all instances and deletes all snapshots. One failure does not stop the rest.
func (l *life) end(ctx context.Context) (ended error) {
	for _, id := range slices.Backward(l.instances) {
		_, err := step("destroy", func() (string, error) {
			return id, l.provider.DestroyInstance(ctx, id)
		})
		if err != nil {
			ended = errors.Join(ended,
				fmt.Errorf("instance %s still exists, and may cost money: %w", id, err))
		}
	}
	for _, id := range l.snapshots {
		_, err := step("delete", func() (string, error) {
			return id, l.provider.DeleteSnapshot(ctx, id)
		})
		if err != nil {
			ended = errors.Join(ended,
				fmt.Errorf("snapshot %s still exists, and may cost money: %w", id, err))
		}
	}
	return ended
}

// step calls an operation, and prints how long it took.
func step[T any](what string, operation func() (T, error)) (T, error) {
	began := time.Now()
	result, err := operation()
	verdict := "ok"
	if err != nil {
		verdict = "failed"
	}
	fmt.Printf("%-10s%8.2f s  %s\n", what, time.Since(began).Seconds(), verdict)
	return result, err
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// Creates twenty instances at once, shows the state of each on a line of its own, and destroys
// them, even after a failure or Ctrl-C.
//
//	go run ./fleet
//	HETZNER_TOKEN=… go run ./fleet -provider hetzner -region fsn1 -size cx22 -count 3
//
// Without a provider it runs against a simulated cloud in its own process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"example.com/spuff"
)

type options struct {
	provider, region, size string
	count                  int
}

func main() {
	var o options
	flag.StringVar(&o.provider, "provider", "",
		"a real provider, such as hetzner, or docker for an engine on this computer; "+
			"by default a simulated cloud")
	flag.StringVar(&o.region, "region", "fsn1", "region or location")
	flag.StringVar(&o.size, "size", "cx22", "size or type")
	flag.IntVar(&o.count, "count", 20, "number of instances")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	provider, cloud, err := connect(&o)
	if err != nil {
		return err
	}
	defer provider.Close()
	if cloud != nil {
		defer cloud.Close()
	}
	began := time.Now()
	fleet := &fleet{
		provider: provider, screen: newScreen(o.count), owner: fmt.Sprintf("fleet-%d", os.Getpid()),
	}
	started := fleet.each(o.count, func(number int) error { return fleet.start(ctx, number, o) })
	fleet.screen.close()
	fmt.Printf("%d of %d are ready after %.1f s\n",
		len(fleet.ids), o.count, time.Since(began).Seconds())
	ended := fleet.end(context.WithoutCancel(ctx))
	fmt.Printf("all destroyed after %.1f s\n", time.Since(began).Seconds())
	if cloud != nil {
		leaks, err := cloud.Leaks()
		if err != nil || len(leaks) > 0 {
			ended = errors.Join(ended, err, fmt.Errorf("%d resources are left", len(leaks)))
		}
	}
	return errors.Join(started, ended)
}

func connect(o *options) (*spuff.Provider, *spuff.Cloud, error) {
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	if o.provider != "" {
		provider, err := registry.FromEnv(o.provider)
		return provider, nil, err
	}
	fmt.Println("no -provider is given: this is a simulated Hetzner Cloud inside this process, " +
		"whose time passes 30 times as fast")
	cloud, err := spuff.StartCloud(spuff.CloudOptions{Speed: 30})
	if err != nil {
		return nil, nil, err
	}
	config, err := cloud.Config("hetzner")
	if err != nil {
		return nil, nil, errors.Join(err, cloud.Close())
	}
	provider, err := registry.Connect("hetzner", config)
	return provider, cloud, err
}

// A fleet holds the ids of the ready instances, and their lines on the screen.
type fleet struct {
	provider *spuff.Provider
	screen   *screen
	owner    string
	mutex    sync.Mutex
	ids      []string
}

// each calls work for all numbers at once, and joins their errors.
func (f *fleet) each(count int, work func(number int) error) error {
	failures := make([]error, count)
	var all sync.WaitGroup
	for number := range count {
		all.Add(1)
		go func() {
			defer all.Done()
			failures[number] = work(number)
		}()
	}
	all.Wait()
	return errors.Join(failures...)
}

// start creates an instance and waits for it; spuff destroys one that does not become ready.
func (f *fleet) start(ctx context.Context, number int, o options) error {
	request := spuff.InstanceRequest{
		Name: fmt.Sprintf("fleet-%02d", number+1), Region: o.region, Size: o.size,
		Owner: &f.owner, TTL: spuff.Ptr(time.Hour),
	}
	show := func(state string, elapsed time.Duration) {
		f.screen.show(number,
			fmt.Sprintf("%s  %5.1f s  %s", request.Name, elapsed.Seconds(), state))
	}
	show("requested", 0)
	began := time.Now()
	instance, err := f.provider.CreateAndWait(ctx, request, spuff.OnFailureDestroy,
		spuff.OnProgress(func(event spuff.Progress) {
			show(event.State+" "+event.ID, time.Since(began))
		}))
	if err != nil {
		show("failed: "+err.Error(), time.Since(began))
		return fmt.Errorf("%s: %w", request.Name, err)
	}
	show(fmt.Sprintf("ready at %s", instance.IP), time.Since(began))
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ids = append(f.ids, instance.ID)
	return nil
}

// end destroys every ready instance, and waits until spuff has destroyed those of interrupted
// creates.
func (f *fleet) end(ctx context.Context) error {
	ended := f.each(len(f.ids), func(number int) error {
		if err := f.provider.DestroyInstance(ctx, f.ids[number]); err != nil {
			return fmt.Errorf("instance %s still exists and costs money: %w", f.ids[number], err)
		}
		return nil
	})
	return errors.Join(ended, spuff.Settled(ctx))
}

//go:build spuff_docker

// The provider for Docker at a real engine, which tests/docker/with starts.

package spuff_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/spuff"
)

// engine is the configuration for the engine of these tests.
func engine(t testing.TB, registry *spuff.Registry) spuff.Config {
	t.Helper()
	if os.Getenv("SPUFF_TEST_ENGINE_DIR") == "" {
		t.Fatal("there is no engine of these tests' own: run them by tests/docker/with")
	}
	config := must(registry.ConfigFromEnv("docker", spuff.Config{}))(t)
	if config.Endpoint != os.Getenv("DOCKER_HOST") || config.Token.Expose() != "" {
		t.Errorf("%+v was filled", config)
	}
	config.Timeouts.PollInterval = spuff.Ptr(100 * time.Millisecond)
	config.Timeouts.InstanceReady = spuff.Ptr(time.Minute)
	return config
}

// docked makes the provider of an engine, with changes to its configuration.
func docked(t testing.TB, change func(*spuff.Config)) *spuff.Provider {
	t.Helper()
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	config := engine(t, registry)
	change(&config)
	provider := must(registry.Connect("local", config))(t)
	t.Cleanup(func() { none(t, provider.Close()) })
	return provider
}

// docker is what the engine's own client prints; empty when it fails.
func docker(arguments ...string) string {
	output, err := exec.Command("docker", arguments...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(output))
}

// eventually is the first text that is not empty, of those that look gives within ten seconds.
func eventually(look func() string) string {
	for range 200 {
		if text := look(); text != "" {
			return text
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ""
}

func TestDockerLife(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	provider := docked(t, func(config *spuff.Config) {
		config.Options = map[string]spuff.Secret{
			"environment": spuff.NewSecret("GREETING=hello\nSENDER=Go, by test"),
			"ports":       spuff.NewSecret("7"),
		}
	})
	if provider.Name() != "docker" || !provider.SupportsSnapshots() {
		t.Errorf("%s is the provider", provider.Name())
	}
	// What answers at the port tells what the machine's environment is.
	script := "#!/bin/sh\n" +
		"echo \"$GREETING from $SENDER on $(hostname)\" >/root/.new && " +
		"mv /root/.new /root/greeting\n" +
		"while :; do nc -l -p 7 </root/greeting; done &\n"
	request := spuff.InstanceRequest{
		Name:     "go-life",
		Size:     "0.5x64m",
		UserData: spuff.Ptr(script),
		Labels:   map[string]string{"test": "Go, by label"},
	}
	const greeting = "hello from Go, by test on go-life"
	made := must(provider.CreateInstance(ctx, request))(t)
	t.Cleanup(func() { docker("rm", "--force", "--volumes", made.ID) })
	ready := must(provider.WaitReady(ctx, made.ID))(t)
	if !ready.Ready || ready.Name != request.Name || ready.Region != "bridge" ||
		ready.Size != request.Size || ready.Labels["test"] != "Go, by label" {
		t.Errorf("%+v is ready", ready)
	}
	if got := eventually(func() string {
		return docker("exec", made.ID, "cat", "/root/greeting")
	}); got != greeting {
		t.Errorf("its user data has written %q", got)
	}
	published, _, _ := strings.Cut(docker("port", made.ID, "7/tcp"), "\n")
	port := published[strings.LastIndex(published, ":")+1:]
	if port == "" {
		t.Error("its port is not published")
	}
	// Podman publishes ports by iptables alone, which an engine of these tests has none of.
	if os.Getenv("SPUFF_TEST_ENGINE_KIND") == "docker" {
		if heard := eventually(func() string { return hear(port) }); heard != greeting {
			t.Errorf("%q was heard at port %s", heard, port)
		}
	}
	is := func(i spuff.Instance) bool { return i.ID == made.ID }
	if !slices.ContainsFunc(must(provider.ListInstances(ctx))(t), is) {
		t.Errorf("%s is not listed", made.ID)
	}

	snapshot := must(provider.CreateSnapshot(ctx, made.ID, "before"))(t)
	t.Cleanup(func() { docker("rmi", "spuff-snapshot:"+snapshot.ID) })
	isSnapshot := func(s spuff.Snapshot) bool { return s.ID == snapshot.ID && s.Name == "before" }
	if !slices.ContainsFunc(must(provider.ListSnapshots(ctx))(t), isSnapshot) {
		t.Errorf("%+v is not listed", snapshot)
	}
	request.Name, request.Image, request.UserData = "go-copy", spuff.SnapshotImage(snapshot.ID), nil
	restored := must(provider.CreateAndWait(ctx, request, spuff.OnFailureDestroy))(t)
	t.Cleanup(func() { docker("rm", "--force", "--volumes", restored.ID) })
	if got := docker("exec", restored.ID, "cat", "/root/greeting"); got != greeting {
		t.Errorf("%q came along", got)
	}

	for range 2 {
		none(t, provider.DestroyInstance(ctx, restored.ID))
		none(t, provider.DeleteSnapshot(ctx, snapshot.ID))
		none(t, provider.DestroyInstance(ctx, made.ID))
	}
	if slices.ContainsFunc(must(provider.ListSnapshots(ctx))(t), isSnapshot) ||
		slices.ContainsFunc(must(provider.ListInstances(ctx))(t), is) {
		t.Error("what is gone is listed")
	}
	if got := must(provider.GetInstance(ctx, made.ID))(t); got != nil ||
		docker("inspect", made.ID) != "" {
		t.Errorf("%+v is gone", got)
	}
}

// hear is what is said at a port of this computer.
func hear(port string) string {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), time.Second)
	if err != nil {
		return ""
	}
	defer connection.Close()
	text := make([]byte, 1024)
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	length, _ := connection.Read(text)
	return strings.TrimSpace(string(text[:length]))
}

func TestDockerWithinAContext(t *testing.T) {
	provider := docked(t, func(*spuff.Config) {})
	// A machine of this image does not become ready for ten minutes.
	request := spuff.InstanceRequest{Name: "go-late", Image: spuff.ParseImage("spuff-starting:1")}
	made := must(provider.CreateInstance(t.Context(), request))(t)
	t.Cleanup(func() { docker("rm", "--force", "--volumes", made.ID) })
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	e := failure(t, second(provider.WaitReady(short, made.ID)), spuff.Timeout)
	if e.InstanceID != made.ID || time.Since(began) > 2*time.Second {
		t.Errorf("%+v after %v", e, time.Since(began))
	}
	none(t, provider.DestroyInstance(t.Context(), made.ID))

	// A create that is left is brought to an end in the background: nothing of it stays.
	left, leave := context.WithCancel(t.Context())
	leave()
	_, err := provider.CreateInstance(left, spuff.InstanceRequest{Name: "go-left"})
	failure(t, err, spuff.Cancelled)
	none(t, spuff.Settled(t.Context()))
	if id := docker("ps", "--all", "--quiet", "--filter", "name=go-left"); id != "" {
		t.Errorf("%s is still there", id)
	}
}

func TestDockerErrors(t *testing.T) {
	provider := docked(t, func(*spuff.Config) {})
	nowhere := spuff.InstanceRequest{Name: "go-nowhere", Region: "no-such-network"}
	e := failure(t, second(provider.CreateInstance(t.Context(), nowhere)), spuff.InvalidConfig)
	if e.Field != "region" || !strings.Contains(e.Error(), "no-such-network") {
		t.Errorf("%+v", e)
	}
	absent := docked(t, func(config *spuff.Config) { config.Endpoint = "unix:///nonexistent.sock" })
	text := failure(t, second(absent.ListInstances(t.Context())), spuff.Network).Error()
	for _, words := range []string{"/nonexistent.sock", "start Docker", "DOCKER_HOST"} {
		if !strings.Contains(text, words) {
			t.Errorf("%q does not say %q", text, words)
		}
	}
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	for field, config := range map[string]spuff.Config{
		"token":  {Token: spuff.NewSecret("token")},
		"ports":  {Options: map[string]spuff.Secret{"ports": spuff.NewSecret("seven")}},
		"colour": {Options: map[string]spuff.Secret{"colour": spuff.NewSecret("grey")}},
	} {
		if e := failure(
			t, second(registry.Connect("docker", config)), spuff.InvalidConfig,
		); e.Field != field {
			t.Errorf("%+v is about %s", e, field)
		}
	}
}

func TestDockerConformance(t *testing.T) {
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	absent := "absent"
	report := must(registry.CheckConformance(t.Context(), "docker", spuff.Subject{
		Config:           engine(t, registry),
		Request:          spuff.InstanceRequest{Region: "bridge", Size: "0.5x64m"},
		AbsentID:         fmt.Sprintf("%064d", 0),
		AbsentSnapshotID: &absent,
		DefaultSize:      true,
		Idempotent:       true,
	}))(t)
	if !report.Passed {
		t.Error(report.Text)
	}
}

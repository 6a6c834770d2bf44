// Configurations, registries, the log, and secrets that nothing shows.

package spuff_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/spuff"
)

func TestARegistryAndItsEnvironment(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	for _, pair := range must(cloud.Environment())(t) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	registry := spuff.NewRegistryWithDefaults()
	defer registry.Close()
	all, some := must(registry.RegisteredProviders())(t), must(registry.ImplementedProviders())(t)
	for name := range places {
		if !slices.Contains(all, name) || !slices.Contains(some, name) || !spuff.HasFeature(name) {
			t.Errorf("%s is not among %v and %v", name, all, some)
		}
		provider := must(registry.FromEnv(name))(t)
		must(provider.ListInstances(t.Context()))(t)
		none(t, provider.Close())
		description := must(registry.Describe(name))(t)
		if description.Name != name || !description.SupportsSnapshots ||
			description.MaxUserData == 0 || len(description.Options) < 3 {
			t.Errorf("%+v", description)
		}
	}
	filled := must(registry.ConfigFromEnv("hetzner", spuff.Config{Region: "fsn1"}))(t)
	if filled.Region != "fsn1" || filled.Token.Expose() == "" ||
		!strings.Contains(filled.Endpoint, cloud.Address()) {
		t.Errorf("%+v was filled", filled)
	}
	if *filled.Timeouts.InstanceReady != 300*time.Second ||
		*filled.Timeouts.PollInterval != 5*time.Second {
		t.Errorf("%+v are the timeouts", filled.Timeouts)
	}
	if !must(registry.IsRegistered("hcloud"))(t) || must(registry.IsRegistered("nimbus"))(t) ||
		spuff.HasFeature("nimbus") || spuff.Version() == "" {
		t.Error("other names are known")
	}
	empty := spuff.NewRegistry()
	defer empty.Close()
	failure(t, second(empty.FromEnv("hetzner")), spuff.UnknownProvider)
	failure(t, second(registry.ConfigFromEnv("nimbus", spuff.Config{})), spuff.UnknownProvider)
	bad := spuff.Config{Token: spuff.NewSecret("t"), Endpoint: "http://example.com"}
	if e := failure(
		t, second(registry.Connect("hetzner", bad)), spuff.InvalidConfig,
	); e.Field != "endpoint" {
		t.Errorf("%+v", e)
	}
	bad = spuff.Config{Timeouts: spuff.Timeouts{PollInterval: spuff.Ptr(-time.Second)}}
	if e := failure(
		t, second(registry.Connect("hetzner", bad)), spuff.InvalidConfig,
	); e.Field != "poll_interval" {
		t.Errorf("%+v", e)
	}
}

func TestAConfigurationComesBackAsItWas(t *testing.T) {
	config := spuff.Config{
		Token:    spuff.NewSecret("t"),
		Endpoint: "https://example.com",
		Region:   "fsn1",
		CAFile:   "/ca.pem",
		Options: map[string]spuff.Secret{
			"one": spuff.NewSecret("1"), "empty": spuff.NewSecret(""),
		},
		Timeouts: spuff.Timeouts{
			InstanceReady:  spuff.Ptr(time.Second),
			ActionComplete: spuff.Ptr(2 * time.Second),
			PollInterval:   spuff.Ptr(time.Duration(0)),
			HTTPRequest:    spuff.Ptr(1500 * time.Microsecond),
			SSHConnect:     spuff.Ptr(5 * time.Second),
			CloudInit:      spuff.Ptr(6 * time.Second),
		},
	}
	var got spuff.Config
	registry := spuff.NewRegistry()
	defer registry.Close()
	none(t, spuff.Register(registry, "script", spuff.Factory[*scripted]{
		Connect: func(config spuff.Config) (*scripted, error) {
			got = config
			return &scripted{}, nil
		},
	}))
	none(t, must(registry.Connect("script", config))(t).Close())
	config.Timeouts.HTTPRequest = spuff.Ptr(2 * time.Millisecond)
	if shown(config) != shown(got) {
		t.Errorf("%s came of %s", shown(got), shown(config))
	}
}

// shown is all of a configuration, secrets too.
func shown(config spuff.Config) string {
	options := make(map[string]string)
	for name, value := range config.Options {
		options[name] = value.Expose()
	}
	return string(must(json.Marshal([]any{config, config.Token.Expose(), options}))(&testing.T{}))
}

func TestNothingShowsASecret(t *testing.T) {
	const canary = "canary-5f1e"
	config := spuff.Config{
		Token:   spuff.NewSecret(canary),
		Options: map[string]spuff.Secret{"key": spuff.NewSecret(canary)},
	}
	holder := struct{ hidden spuff.Config }{config}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb, config, &config, holder)
	}
	shown.Write(must(json.Marshal(config))(t))
	slog.New(slog.NewTextHandler(&shown, nil)).Info("connecting",
		"config", config, "token", config.Token)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("connecting",
		"config", config, "token", config.Token)
	for _, trace := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if strings.Contains(shown.String(), trace) {
			t.Errorf("%s is shown in %s", trace, shown.String())
		}
	}
	if (spuff.Secret{}).Expose() != "" || (spuff.Secret{}).String() == config.Token.String() {
		t.Error("no secret at all looks like one")
	}
}

// lines collects what is logged.
type linesWriter struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *linesWriter) Write(line []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(line)
}

func (l *linesWriter) take() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

func TestTheLogGoesToSlog(t *testing.T) {
	cloud := started(t, spuff.CloudOptions{})
	provider := connected(t, cloud, "hetzner")
	written := &linesWriter{}
	logger := slog.New(slog.NewTextHandler(written, &slog.HandlerOptions{Level: spuff.LevelTrace}))
	logs := func(level slog.Level) string {
		none(t, spuff.Listen(logger, level))
		must(provider.ListInstances(t.Context()))(t)
		return written.take()
	}
	if text := logs(spuff.LevelTrace); !strings.Contains(text, "target=spuff") ||
		!strings.Contains(text, "level=DEBUG") {
		t.Errorf("%q was logged", text)
	}
	if text := logs(slog.LevelError); text != "" {
		t.Errorf("%q is no error", text)
	}
	none(t, spuff.Listen(nil, slog.LevelDebug))
	must(provider.ListInstances(t.Context()))(t)
	if text := written.take(); text != "" {
		t.Errorf("%q was logged when nobody listened", text)
	}
}

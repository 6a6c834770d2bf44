// Drives Hetzner's own Go client, unmodified, against the simulator: the whole life of servers and
// snapshots.
//
//	cargo run -p spuff-examples --example simulator -- --speed 60 -- \
//	    go run -C tests/clients/hcloud-go .
//
// Prints a line for each step, and ends with 1 at the first thing that is wrong.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hetznercloud/hcloud-go/v2/hcloud"
)

var (
	ctx    = context.Background()
	client = hcloud.NewClient(
		hcloud.WithToken(os.Getenv("HCLOUD_TOKEN")),
		hcloud.WithEndpoint(os.Getenv("HCLOUD_ENDPOINT")),
		hcloud.WithPollOpts(hcloud.PollOpts{
			BackoffFunc: hcloud.ConstantBackoff(50 * time.Millisecond),
		}),
	)
	labels = map[string]string{"made-by": "check"}
)

func step(format string, values ...any) {
	fmt.Printf("ok  "+format+"\n", values...)
}

func check(right bool, format string, values ...any) {
	if !right {
		fmt.Printf("WRONG: "+format+"\n", values...)
		os.Exit(1)
	}
}

func must[T any](value T, _ *hcloud.Response, err error) T {
	check(err == nil, "%v", err)
	return value
}

func finish(actions ...*hcloud.Action) {
	err := client.Action.WaitFor(ctx, actions...)
	check(err == nil, "%v", err)
}

func refused(err error, code hcloud.ErrorCode) hcloud.Error {
	var refusal hcloud.Error
	check(errors.As(err, &refusal), "not refused with %s: %v", code, err)
	check(refusal.Code == code, "%s instead of %s: %v", refusal.Code, code, err)
	check(refusal.Response().Header.Get("X-Correlation-Id") != "",
		"a refusal without a correlation id")
	return refusal
}

func control(method, path string, body, reply any) {
	data, err := json.Marshal(body)
	check(err == nil, "%v", err)
	request, err := http.NewRequest(method, os.Getenv("SPUFF_SIMULATOR")+"/"+path,
		bytes.NewReader(data))
	check(err == nil, "%v", err)
	answer, err := http.DefaultClient.Do(request)
	check(err == nil && answer.StatusCode == http.StatusOK, "%s %s: %v", method, path, err)
	defer answer.Body.Close()
	err = json.NewDecoder(answer.Body).Decode(reply)
	check(err == nil, "%s %s: %v", method, path, err)
}

func inject(fault any, route string) (id int) {
	rule := map[string]any{"fault": fault, "provider": "hetzner", "route": route, "times": 1}
	control("POST", "faults", rule, &id)
	return id
}

func hits(fault int) int {
	var faults []struct{ Hits int }
	control("GET", "faults", nil, &faults)
	return faults[fault].Hits
}

func options(name string) hcloud.ServerCreateOpts {
	return hcloud.ServerCreateOpts{
		Name:       name,
		ServerType: &hcloud.ServerType{Name: "cx23"},
		Image:      &hcloud.Image{Name: "ubuntu-24.04"},
		Location:   &hcloud.Location{Name: "nbg1"},
		Labels:     labels,
	}
}

func create(opts hcloud.ServerCreateOpts) *hcloud.Server {
	created := must(client.Server.Create(ctx, opts))
	finish(append(created.NextActions, created.Action)...)
	return must(client.Server.GetByID(ctx, created.Server.ID))
}

func createRefused(code hcloud.ErrorCode, change func(*hcloud.ServerCreateOpts)) hcloud.Error {
	opts := options("refused")
	change(&opts)
	_, _, err := client.Server.Create(ctx, opts)
	return refused(err, code)
}

func remove(server *hcloud.Server) {
	deleted := must(client.Server.DeleteWithResult(ctx, server))
	finish(deleted.Action)
	check(must(client.Server.GetByID(ctx, server.ID)) == nil, "server %d is still there", server.ID)
}

func unlocked(server *hcloud.Server) *hcloud.Server {
	for server.Locked {
		server = must(client.Server.GetByID(ctx, server.ID))
	}
	return server
}

func catalogue() {
	locations, err := client.Location.All(ctx)
	check(err == nil && len(locations) == 6 &&
		locations[0].NetworkZone == hcloud.NetworkZoneEUCentral, "locations: %v", err)
	types, err := client.ServerType.All(ctx)
	check(err == nil && len(types) > 25, "server types: %v", err)
	arm := must(client.ServerType.GetByName(ctx, "cax11"))
	check(arm.Architecture == hcloud.ArchitectureARM && arm.Pricings[0].Hourly.Net != "" &&
		arm.Locations[0].Available, "cax11")
	old := must(client.ServerType.GetByName(ctx, "cx11"))
	check(old.IsDeprecated(), "cx11")
	images, err := client.Image.AllWithOpts(ctx,
		hcloud.ImageListOpts{Type: []hcloud.ImageType{hcloud.ImageTypeSystem}})
	check(err == nil && len(images) > 25, "images: %v", err)
	for _, architecture := range []hcloud.Architecture{
		hcloud.ArchitectureX86, hcloud.ArchitectureARM,
	} {
		image := must(client.Image.GetByNameAndArchitecture(ctx, "ubuntu-20.04", architecture))
		check(image.Architecture == architecture && image.Deprecation != nil, "ubuntu-20.04")
	}
	pricing := must(client.Pricing.Get(ctx))
	check(pricing.Image.PerGBMonth.Net != "" && len(pricing.ServerTypes) == len(types), "pricing")
	volumes, err := client.Volume.All(ctx)
	check(err == nil && len(volumes) == 0, "volumes: %v", err)
	step("catalogue: %d locations, %d server types, %d images",
		len(locations), len(types), len(images))
}

func life() *hcloud.Server {
	keys, err := client.SSHKey.All(ctx)
	check(err == nil && len(keys) == 2, "keys: %v", err)
	opts := options("life")
	opts.SSHKeys = keys
	opts.UserData = "#cloud-config\n"
	created := must(client.Server.Create(ctx, opts))
	check(created.RootPassword == "" && created.Server.Status == hcloud.ServerStatusInitializing,
		"create")
	_, _, err = client.Server.DeleteWithResult(ctx, created.Server)
	refused(err, hcloud.ErrorCodeLocked)
	finish(append(created.NextActions, created.Action)...)
	server := must(client.Server.GetByName(ctx, "life"))
	check(server.ID == created.Server.ID && server.Status == hcloud.ServerStatusRunning &&
		!server.Locked, "ready")
	check(server.PublicNet.IPv4.IP != nil && server.PublicNet.IPv6.Network != nil, "addresses")
	check(server.Location.Name == "nbg1" && server.ServerType.Name == "cx23" &&
		server.Image.Name == "ubuntu-24.04", "parts")
	ip := must(client.PrimaryIP.GetByID(ctx, server.PublicNet.IPv4.ID))
	check(ip.IP.Equal(server.PublicNet.IPv4.IP) && ip.AssigneeID == server.ID && ip.AutoDelete,
		"primary IP")
	step("created %d at %s, and waited for it", server.ID, server.PublicNet.IPv4.IP)

	server = must(client.Server.Update(ctx, server,
		hcloud.ServerUpdateOpts{Name: "renamed", Labels: map[string]string{"tier": "a"}}))
	check(server.Name == "renamed" && len(server.Labels) == 1, "rename")
	power := []struct {
		act    func(context.Context, *hcloud.Server) (*hcloud.Action, *hcloud.Response, error)
		status hcloud.ServerStatus
	}{
		{client.Server.Shutdown, hcloud.ServerStatusOff},
		{client.Server.Poweron, hcloud.ServerStatusRunning},
		{client.Server.Reboot, hcloud.ServerStatusRunning},
		{client.Server.Reset, hcloud.ServerStatusRunning},
		{client.Server.Poweroff, hcloud.ServerStatusOff},
	}
	for _, it := range power {
		finish(must(it.act(ctx, server)))
		server = must(client.Server.GetByID(ctx, server.ID))
		for server.Status == hcloud.ServerStatusStopping {
			server = must(client.Server.GetByID(ctx, server.ID))
		}
		check(server.Status == it.status, "%s instead of %s", server.Status, it.status)
	}
	finish(must(client.Server.ChangeType(ctx, server,
		hcloud.ServerChangeTypeOpts{ServerType: &hcloud.ServerType{Name: "cx33"}})))
	protection := func(on bool) {
		opts := hcloud.ServerChangeProtectionOpts{Delete: &on, Rebuild: &on}
		finish(must(client.Server.ChangeProtection(ctx, server, opts)))
	}
	protection(true)
	_, _, err = client.Server.DeleteWithResult(ctx, server)
	refused(err, hcloud.ErrorCodeProtected)
	protection(false)
	actions, err := client.Server.Action.All(ctx, hcloud.ActionListOpts{Sort: []string{"command"}})
	check(err == nil && len(actions) >= 10, "actions: %v", err)
	server = must(client.Server.GetByID(ctx, server.ID))
	check(server.ServerType.Name == "cx33" && server.PrimaryDiskSize == 40, "change of type")
	step("renamed, put through every state of power, type changed, protected: %d actions",
		len(actions))
	return server
}

func pages() {
	var actions []*hcloud.Action
	for number := range 7 {
		opts := options(fmt.Sprintf("page-%d", number))
		opts.Labels = map[string]string{"group": "pages"}
		created := must(client.Server.Create(ctx, opts))
		actions = append(append(actions, created.Action), created.NextActions...)
	}
	var updates int
	err := client.Action.WaitForFunc(ctx, func(*hcloud.Action) error { updates++; return nil },
		actions...)
	check(err == nil && updates >= len(actions),
		"%d updates of %d actions: %v", updates, len(actions), err)

	list := hcloud.ServerListOpts{
		ListOpts: hcloud.ListOpts{LabelSelector: "group==pages", PerPage: 2},
		Sort:     []string{"name:desc"},
	}
	first, reply, err := client.Server.List(ctx, list)
	check(err == nil && len(first) == 2 && reply.Meta.Pagination.LastPage == 4 &&
		reply.Meta.Pagination.TotalEntries == 7, "pages")
	check(reply.Meta.Ratelimit.Limit == 3600 && reply.Meta.Ratelimit.Remaining > 0, "rate limit")
	servers, err := client.Server.AllWithOpts(ctx, list)
	check(err == nil && len(servers) == 7 && servers[0].Name == "page-6" &&
		servers[6].Name == "page-0", "list: %v", err)
	for _, server := range servers {
		remove(server)
	}
	step("waited for %d actions at once, listed 7 servers on 4 pages, deleted them", len(actions))
}

func snapshots(server *hcloud.Server) {
	description := "before the change"
	made := must(client.Server.CreateImage(ctx, server,
		&hcloud.ServerCreateImageOpts{Description: &description, Labels: labels}))
	check(made.Image.Status == hcloud.ImageStatusCreating && made.Image.Name == "",
		"a new snapshot")
	createRefused(hcloud.ErrorCodeInvalidInput, func(opts *hcloud.ServerCreateOpts) {
		opts.Image = made.Image
	})
	_, err := client.Image.Delete(ctx, made.Image)
	refused(err, hcloud.ErrorCodeLocked)
	finish(made.Action)
	image := must(client.Image.GetByID(ctx, made.Image.ID))
	check(image.Status == hcloud.ImageStatusAvailable && image.ImageSize > 0 &&
		image.Description == description, "a snapshot")
	check(image.CreatedFrom.ID == server.ID && image.OSFlavor == "ubuntu" &&
		image.OSVersion == "24.04", "where it is from")
	images, err := client.Image.AllWithOpts(ctx, hcloud.ImageListOpts{
		ListOpts: hcloud.ListOpts{LabelSelector: "made-by"},
		Type:     []hcloud.ImageType{hcloud.ImageTypeSnapshot},
	})
	check(err == nil && len(images) == 1 && images[0].ID == image.ID, "list: %v", err)
	createRefused(hcloud.ErrorCodeInvalidInput, func(opts *hcloud.ServerCreateOpts) {
		opts.Image, opts.ServerType = image, &hcloud.ServerType{Name: "cax11"}
	})
	opts := options("restored")
	opts.Image = image
	opts.PublicNet = &hcloud.ServerCreatePublicNet{EnableIPv6: true}
	restored := create(opts)
	check(restored.Image.ID == image.ID && restored.PublicNet.IPv4.IsUnspecified(),
		"restored server")
	_, err = client.Image.Delete(ctx, image)
	check(err == nil && must(client.Image.GetByID(ctx, image.ID)) == nil,
		"delete of a snapshot: %v", err)
	remove(restored)
	step("snapshot made, refused while it is made and where it does not fit, restored, deleted")
}

func refusals(server *hcloud.Server) {
	check(must(client.Server.GetByID(ctx, 1)) == nil, "a server that never was")
	_, _, err := client.Server.Poweron(ctx, &hcloud.Server{ID: 1})
	refused(err, hcloud.ErrorCodeNotFound)
	refusal := createRefused(hcloud.ErrorCodeInvalidInput, func(opts *hcloud.ServerCreateOpts) {
		opts.Name = "under_score"
	})
	details, is := refusal.Details.(hcloud.ErrorDetailsInvalidInput)
	check(is && details.Fields[0].Name == "name" && len(details.Fields[0].Messages) == 1,
		"details: %v", refusal.Details)
	createRefused(hcloud.ErrorCodeUniquenessError, func(opts *hcloud.ServerCreateOpts) {
		opts.Name = server.Name
	})
	createRefused(hcloud.ErrorCodeInvalidInput, func(opts *hcloud.ServerCreateOpts) {
		opts.UserData = strings.Repeat("x", 32<<10+1)
	})
	inject("capacity_out", "create_instance")
	createRefused(hcloud.ErrorCodeResourceUnavailable, func(*hcloud.ServerCreateOpts) {})
	inject("quota_reached", "create_instance")
	createRefused(hcloud.ErrorCodeResourceLimitExceeded, func(*hcloud.ServerCreateOpts) {})
	step("refused: a bad name, a taken one, long user data, sold out, too many")
}

func faults(server *hcloud.Server) {
	fault := inject(
		map[string]any{"rate_limited": map[string]any{"retry_after": nil, "headers": true}},
		"get_instance")
	found := must(client.Server.GetByID(ctx, server.ID))
	check(found.ID == server.ID && hits(fault) == 1, "after 429")
	step("429 on a read: the client waits, and asks again")

	inject("reply_lost", "create_instance")
	_, _, err := client.Server.Create(ctx, options("lost"))
	var refusal hcloud.Error
	check(err != nil && !errors.As(err, &refusal), "a lost reply was not told: %v", err)
	lost := must(client.Server.GetByName(ctx, "lost"))
	check(lost != nil, "the server of a lost reply")
	remove(unlocked(lost))
	step("reply of a create lost: the client fails, and a server is left that only its name finds")

	inject(map[string]any{"server_error": map[string]any{"status": 504, "committed": true}},
		"create_instance")
	_, _, err = client.Server.Create(ctx, options("twice"))
	refused(err, hcloud.ErrorCodeUniquenessError)
	remove(unlocked(must(client.Server.GetByName(ctx, "twice"))))
	step("504 on a create that was carried out: the client sends it again, and is told that the " +
		"name is taken")

	inject("action_fails", "create_instance")
	created := must(client.Server.Create(ctx, options("failing")))
	var failed hcloud.ActionError
	err = client.Action.WaitFor(ctx, created.Action)
	check(errors.As(err, &failed) && failed.Code == "action_failed", "a failed action: %v", err)
	for must(client.Server.GetByID(ctx, created.Server.ID)) != nil {
	}
	step("create that fails: the client fails, and the server goes")
}

func main() {
	catalogue()
	server := life()
	pages()
	snapshots(server)
	refusals(server)
	faults(server)
	remove(server)
	servers, err := client.Server.All(ctx)
	check(err == nil && len(servers) == 0, "servers at the end: %v", err)
	var leaks []any
	control("GET", "leaks", nil, &leaks)
	check(len(leaks) == 0, "left behind: %v", leaks)
	step("nothing is left")
}

// godo, DigitalOcean's own Go client, against the simulator. Only its endpoint is changed.
//
//	cd tests/clients/godo && go build -o "$TMPDIR/godo-check" . && cd - &&
//	cargo run -p spuff-examples --example simulator -- --speed 60 -- "$TMPDIR/godo-check"
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"
	"github.com/digitalocean/godo/util"
	"golang.org/x/oauth2"
)

var ctx = context.Background()

// step prints a step; it ends the program at the first that does not hold.
func step(text string, holds bool, seen ...any) {
	if holds {
		fmt.Println("ok    " + text)
		return
	}
	fmt.Printf("WRONG %s\n      seen: %+v\n", text, seen)
	os.Exit(1)
}

// must gives a value whose error is the end of the program.
func must[T any](value T, _ *godo.Response, err error) T {
	if err != nil {
		fmt.Println("WRONG", err)
		os.Exit(1)
	}
	return value
}

// until looks until there is something.
func until[T any](look func() (T, bool)) T {
	end := time.Now().Add(30 * time.Second)
	for ; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if value, found := look(); found {
			return value
		}
	}
	step("something is there within 30 s", false)
	panic("unreachable")
}

// control asks the simulator itself, under the address that it set.
func control(method, path string, body any, into any) {
	text, err := json.Marshal(body)
	if err == nil {
		var request *http.Request
		request, err = http.NewRequest(method, os.Getenv("SPUFF_SIMULATOR")+path,
			bytes.NewReader(text))
		if err == nil {
			var reply *http.Response
			reply, err = http.DefaultClient.Do(request)
			if err == nil {
				defer reply.Body.Close()
				text, _ = io.ReadAll(reply.Body)
				err = json.Unmarshal(text, into)
			}
		}
	}
	if err != nil {
		fmt.Println("WRONG", err)
		os.Exit(1)
	}
}

// inject lets something go wrong on one request of a kind.
func inject(fault any, route string) {
	var id int
	control("POST", "/faults",
		map[string]any{"fault": fault, "provider": "digitalocean", "route": route, "times": 1}, &id)
}

// asked is how many requests of a kind there were.
func asked(route string) int {
	var requests struct {
		Counts []struct {
			Provider, Route string
			Count           int
		}
	}
	control("GET", "/requests", nil, &requests)
	for _, count := range requests.Counts {
		if count.Provider == "digitalocean" && count.Route == route {
			return count.Count
		}
	}
	return 0
}

// refused is the status and the message of an error.
func refused(err error) (int, string) {
	var refusal *godo.ErrorResponse
	if errors.As(err, &refusal) {
		step("a refusal has the id of its request", len(refusal.RequestID) == 36, refusal)
		return refusal.Response.StatusCode, refusal.Message
	}
	return 0, fmt.Sprint(err)
}

// all reads every page of a list, and counts them.
func all[T any](list func(*godo.ListOptions) ([]T, *godo.Response, error)) (items []T, pages int) {
	options := &godo.ListOptions{Page: 1, PerPage: 2}
	for {
		page, reply, err := list(options)
		items = append(items, must(page, reply, err)...)
		pages++
		if reply.Links == nil || reply.Links.IsLastPage() {
			return items, pages
		}
		options.Page++
	}
}

func main() {
	url, token := os.Getenv("DIGITALOCEAN_API_URL"), os.Getenv("DIGITALOCEAN_TOKEN")
	source := oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))
	client := opened(godo.New(source, godo.SetBaseURL(url+"/")))
	short := 0.05
	retrying := opened(godo.New(
		oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})),
		godo.SetBaseURL(url+"/"),
		godo.WithRetryAndBackoffs(godo.RetryConfig{
			RetryMax: 4, RetryWaitMin: &short, RetryWaitMax: &short,
		}),
	))

	account := must(client.Account.Get(ctx))
	step("the account is active", account.Status == "active" && account.DropletLimit > 0, account)
	keys := must(client.Keys.List(ctx, nil))
	step("there are two SSH keys", len(keys) == 2, keys)
	sizes, _ := all(func(options *godo.ListOptions) ([]godo.Size, *godo.Response, error) {
		return client.Sizes.List(ctx, options)
	})
	gpu := 0
	for _, size := range sizes {
		if size.GPUInfo != nil {
			gpu++
		}
	}
	step("there are sizes, some with GPUs", len(sizes) > 50 && gpu > 3, len(sizes), gpu)
	images := must(client.Images.ListDistribution(ctx, &godo.ListOptions{PerPage: 200}))
	step("there are images", len(images) > 10 && images[0].Type == "base", images)

	request := func(name string) *godo.DropletCreateRequest {
		return &godo.DropletCreateRequest{
			Name: name, Region: "nyc3", Size: "s-1vcpu-1gb",
			Image: godo.DropletCreateImage{Slug: "ubuntu-24-04-x64"},
			SSHKeys: []godo.DropletCreateSSHKey{
				{ID: keys[0].ID}, {Fingerprint: keys[1].Fingerprint},
			},
			IPv6: true, Tags: []string{"web", "env:prod"},
		}
	}
	get := func(id int) *godo.Droplet { return must(client.Droplets.Get(ctx, id)) }
	wait := func(action *godo.Action) string {
		return until(func() (string, bool) {
			now := must(client.Actions.Get(ctx, action.ID))
			return now.Status, now.Status != godo.ActionInProgress
		})
	}

	made, reply, err := client.Droplets.Create(ctx, request("web-1"))
	must(made, reply, err)
	step("a create is accepted, and the droplet locked",
		made.Status == "new" && made.Locked && reply.StatusCode == 202, made)
	step("the limit is told",
		reply.Rate.Limit == 5000 && reply.Rate.Remaining > 0 && reply.Rate.Reset.After(time.Now()),
		reply.Rate)
	step("godo's own wait ends well",
		util.WaitForActive(ctx, client, reply.Links.Actions[0].HREF) == nil)
	droplet := get(made.ID)
	public, _ := droplet.PublicIPv4()
	private, _ := droplet.PrivateIPv4()
	public6, _ := droplet.PublicIPv6()
	step("it is active, at its addresses",
		droplet.Status == "active" && public != "" && private != "" && public6 != "", droplet)
	step("it has its tags and its region",
		len(droplet.Tags) == 2 && droplet.Region.Slug == "nyc3" && droplet.VPCUUID != "", droplet)
	created, err := time.Parse(time.RFC3339, droplet.Created)
	step("its time is a time", err == nil && !created.IsZero())

	several := must(client.Droplets.CreateMultiple(ctx, &godo.DropletMultiCreateRequest{
		Names:  []string{"w-1", "w-2", "w-3", "w-4", "w-5"},
		Region: "fra1", Size: "s-1vcpu-1gb",
		Image: godo.DropletCreateImage{Slug: "debian-12-x64"}, Tags: []string{"worker"},
	}))
	step("five are made at once", len(several) == 5, several)
	listed := until(func() ([]godo.Droplet, bool) {
		items, pages := all(func(
			options *godo.ListOptions,
		) ([]godo.Droplet, *godo.Response, error) {
			return client.Droplets.List(ctx, options)
		})
		return items, len(items) == 6 && pages == 3
	})
	step("they are listed on three pages", listed[0].ID != listed[5].ID)
	tagged, pages := all(func(options *godo.ListOptions) ([]godo.Droplet, *godo.Response, error) {
		return client.Droplets.ListByTag(ctx, "worker", options)
	})
	step("so are those with a tag", len(tagged) == 5 && pages == 3, tagged)
	named := must(client.Droplets.ListByName(ctx, "W-3", nil))
	step("a name is found whatever its case", len(named) == 1 && named[0].Name == "w-3", named)

	_, err = client.Droplets.Delete(ctx, several[0].ID)
	status, message := refused(err)
	step("a droplet that is being made is busy",
		status == 422 && strings.Contains(message, "pending event"), status, message)
	off := must(client.DropletActions.Shutdown(ctx, droplet.ID))
	step("a shutdown completes",
		wait(off) == godo.ActionCompleted && get(droplet.ID).Status == "off")
	on := must(client.DropletActions.PowerOn(ctx, droplet.ID))
	step("so does a start", wait(on) == godo.ActionCompleted && get(droplet.ID).Status == "active")

	taken := must(client.DropletActions.Snapshot(ctx, droplet.ID, "nightly"))
	step("a snapshot names its droplet only",
		taken.ResourceID == droplet.ID && wait(taken) == godo.ActionCompleted, taken)
	snapshot := until(func() (godo.Image, bool) {
		found := must(client.Droplets.Snapshots(ctx, droplet.ID, nil))
		if len(found) == 0 {
			return godo.Image{}, false
		}
		return found[0], true
	})
	step("it is listed", snapshot.Name == "nightly" && snapshot.MinDiskSize == 25, snapshot)
	must(client.Tags.Create(ctx, &godo.TagCreateRequest{Name: "backup"}))
	resources := []godo.Resource{{ID: strconv.Itoa(snapshot.ID), Type: godo.ImageResourceType}}
	_, err = client.Tags.TagResources(ctx, "backup",
		&godo.TagResourcesRequest{Resources: resources})
	step("it is tagged", err == nil, err)
	tag := must(client.Tags.Get(ctx, "backup"))
	step("the tag counts it", tag.Resources.Count == 1 && tag.Resources.Images.Count == 1, tag)
	restore := request("web-2")
	restore.Image = godo.DropletCreateImage{ID: snapshot.ID}
	restored, reply, err := client.Droplets.Create(ctx, restore)
	must(restored, reply, err)
	step("a droplet is made of it",
		util.WaitForActive(ctx, client, reply.Links.Actions[0].HREF) == nil &&
			get(restored.ID).Image.ID == snapshot.ID)

	_, _, err = client.Droplets.Get(ctx, 42)
	status, _ = refused(err)
	step("what is not there is a 404", status == 404)
	_, _, err = client.Droplets.Create(ctx, request("a_b"))
	status, message = refused(err)
	step("a bad name is refused",
		status == 422 && strings.Contains(message, "hostname"), status, message)

	before := asked("get_instance")
	inject(map[string]any{"rate_limited": map[string]any{"retry_after": 1, "headers": true}},
		"get_instance")
	must(retrying.Droplets.Get(ctx, droplet.ID))
	step("after a 429 godo's retrying client asks again", asked("get_instance") == before+2)
	inject(map[string]any{"server_error": map[string]any{"status": 503, "committed": true}},
		"create_instance")
	must(retrying.Droplets.Create(ctx, request("twice")))
	inject("reply_lost", "create_instance")
	must(retrying.Droplets.Create(ctx, request("lost")))
	doubles := func(name string) bool {
		return until(func() (bool, bool) {
			return true, len(must(client.Droplets.ListByName(ctx, name, nil))) == 2
		})
	}
	step("after a 503, and after a lost reply, it creates again: there are two of each",
		doubles("twice") && doubles("lost"))

	_, err = client.Snapshots.Delete(ctx, strconv.Itoa(snapshot.ID))
	step("the snapshot is deleted", err == nil, err)
	droplets := until(func() ([]godo.Droplet, bool) {
		found := must(client.Droplets.List(ctx, &godo.ListOptions{PerPage: 200}))
		for _, it := range found {
			if it.Locked {
				return nil, false
			}
		}
		return found, true
	})
	for _, it := range droplets {
		_, err = client.Droplets.Delete(ctx, it.ID)
		step("a droplet is deleted", err == nil, err)
	}
	until(func() (bool, bool) { return true, len(must(client.Droplets.List(ctx, nil))) == 0 })
	var leaks []any
	control("GET", "/leaks", nil, &leaks)
	step("nothing is left that costs money", len(leaks) == 0, leaks)
}

func opened[T any](value T, err error) T { return must(value, nil, err) }

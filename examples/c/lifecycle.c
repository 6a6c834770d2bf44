/* The whole life of an instance: create, wait, list, snapshot, restore from the snapshot, destroy.
 *
 *     lifecycle                      a simulated Hetzner Cloud inside this process, which costs
 *                                    nothing
 *     lifecycle --provider docker    containers of Docker or Podman on this computer
 *     HETZNER_TOKEN=... lifecycle --provider hetzner --region fsn1 --size cx22      real instances
 *
 * It destroys what it has created, even after a failure or Ctrl-C.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "spuff.h"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Prints why a call failed, and what to do about it. */
static bool failed(const char *step, spuff_code code, spuff_error **error) {
    if (code == SPUFF_OK) return false;
    fprintf(stderr, "%s: %s\n  %s\n", step, spuff_error_text(*error), spuff_code_advice(code));
    spuff_error_free(error);
    return true;
}

static void on_progress(void *data, const spuff_progress *event) {
    (void)data;
    printf("  %8.2f s  %s %s\n", (double)event->elapsed_ms / 1000, event->id, event->state);
}

/* The request; an empty string takes the provider's default. */
struct options {
    const char *provider, *region, *size, *image;
};

static bool read_options(int count, char **arguments, struct options *options) {
    for (int at = 1; at + 1 < count; at += 2) {
        const char *name = arguments[at], *value = arguments[at + 1];
        if (strcmp(name, "--provider") == 0) options->provider = value;
        else if (strcmp(name, "--region") == 0) options->region = value;
        else if (strcmp(name, "--size") == 0) options->size = value;
        else if (strcmp(name, "--image") == 0) options->image = value;
        else return false;
    }
    return count % 2 == 1;
}

/* The resources that this run has created. */
struct life {
    spuff_provider *provider;
    spuff_cancel *cancel;
    char instances[2][128];
    char snapshot[128];
};

/* Creates an instance and waits for it. It stores the id as soon as it is known. */
static bool start(struct life *life, int slot, const char *name, const struct options *options,
                  const char *image) {
    spuff_observer observer = {.size = sizeof observer, .progress = on_progress};
    spuff_request *request = NULL;
    spuff_instance *instance = NULL;
    spuff_error *error = NULL;
    spuff_code code = spuff_request_new(name, options->region, options->size, &request, &error);
    if (code == SPUFF_OK) code = spuff_request_set_image(request, image, &error);
    if (code == SPUFF_OK)
        code = spuff_provider_create_instance(life->provider, request, life->cancel, &instance,
                                              &error);
    spuff_request_free(&request);
    if (failed("create", code, &error)) return false;
    snprintf(life->instances[slot], sizeof life->instances[slot], "%s",
             spuff_instance_id(instance));
    spuff_instance_free(&instance);
    printf("created     %s\n", life->instances[slot]);

    code = spuff_provider_wait_ready(life->provider, life->instances[slot], life->cancel, &observer,
                                     &instance, &error);
    if (failed("wait", code, &error)) return false;
    printf("ready       %s is %s at %s\n", spuff_instance_id(instance),
           spuff_instance_status_word(instance), spuff_instance_ip(instance));
    spuff_instance_free(&instance);
    return true;
}

static bool live(struct life *life, const struct options *options) {
    spuff_instances *instances = NULL;
    spuff_snapshot *snapshot = NULL;
    spuff_error *error = NULL;
    if (!start(life, 0, "spuff-c", options, options->image)) return false;

    if (failed("list",
               spuff_provider_list_instances(life->provider, life->cancel, &instances, &error),
               &error))
        return false;
    printf("listed      %zu managed by spuff\n", spuff_instances_count(instances));
    spuff_instances_free(&instances);
    if (!spuff_provider_supports_snapshots(life->provider)) return true;

    spuff_code code = spuff_provider_create_snapshot(life->provider, life->instances[0], "spuff-c",
                                                     life->cancel, NULL, &snapshot, &error);
    if (failed("snapshot", code, &error)) return false;
    snprintf(life->snapshot, sizeof life->snapshot, "%s", spuff_snapshot_id(snapshot));
    spuff_snapshot_free(&snapshot);
    printf("snapshot    %s\n", life->snapshot);

    char image[160];
    snprintf(image, sizeof image, "snapshot:%s", life->snapshot);
    return start(life, 1, "spuff-c-restored", options, image);
}

/* Destroys all instances and deletes the snapshot. One failure does not stop the rest. */
static bool end(struct life *life) {
    spuff_error *error = NULL;
    bool ended = true;
    for (int slot = 1; slot >= 0; slot--) {
        if (!life->instances[slot][0]) continue;
        spuff_code code =
            spuff_provider_destroy_instance(life->provider, life->instances[slot], NULL, &error);
        if (failed("an instance still exists, and may cost money", code, &error)) ended = false;
        else printf("destroyed   %s\n", life->instances[slot]);
    }
    if (life->snapshot[0]) {
        spuff_code code =
            spuff_provider_delete_snapshot(life->provider, life->snapshot, NULL, &error);
        if (failed("a snapshot still exists, and may cost money", code, &error)) ended = false;
        else printf("deleted     %s\n", life->snapshot);
    }
    return !failed("settled", spuff_settled(NULL, &error), &error) && ended;
}

/* A thread waits for Ctrl-C, since a signal handler may call very few functions. */
static void *watch_for_interrupts(void *data) {
    struct life *life = data;
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    int signal;
    if (sigwait(&interrupt, &signal) == 0) spuff_cancel_cancel(life->cancel);
    return NULL;
}

int main(int count, char **arguments) {
    struct options options = {.region = "", .size = "", .image = "ubuntu:24.04"};
    if (!read_options(count, arguments, &options)) {
        fprintf(stderr, "usage: lifecycle [--provider NAME] [--region REGION] [--size SIZE] "
                        "[--image IMAGE]\n");
        return 2;
    }
    /* Block SIGINT before any other thread starts: each inherits the mask, and only sigwait
     * receives the signal. */
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL);

    struct life life = {.cancel = spuff_cancel_new()};
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_cloud *cloud = NULL;
    spuff_config *config = NULL;
    spuff_error *error = NULL;
    spuff_code code;
    if (options.provider) {
        code = spuff_registry_from_env(registry, options.provider, &life.provider, &error);
    } else {
        puts("a simulated Hetzner Cloud inside this process, with no computer behind it and "
             "nothing to pay");
        options.provider = "hetzner", options.region = "fsn1", options.size = "cx22";
        spuff_cloud_options box = {.size = sizeof box, .speed = 30};
        code = spuff_cloud_start(&box, &cloud, &error);
        if (code == SPUFF_OK) code = spuff_cloud_config(cloud, options.provider, &config, &error);
        if (code == SPUFF_OK)
            code = spuff_registry_connect(registry, options.provider, config, &life.provider,
                                          &error);
        spuff_config_free(&config);
    }
    spuff_registry_free(&registry);
    if (failed("connect", code, &error)) return 1;

    pthread_t watcher;
    const bool watches = pthread_create(&watcher, NULL, watch_for_interrupts, &life) == 0;

    const double began = now();
    const bool lived = live(&life, &options);
    const bool ended = end(&life);
    printf("done in %.1f s\n", now() - began);
    if (watches) {
        pthread_cancel(watcher);
        pthread_join(watcher, NULL);
    }
    if (cloud) {
        spuff_strings *bill = NULL;
        if (!failed("bill", spuff_cloud_bill(cloud, &bill, &error), &error))
            puts("a real one would have charged about:");
        for (size_t at = 0; at < spuff_strings_count(bill); at++) puts(spuff_strings_get(bill, at));
        spuff_strings_free(&bill);
    }
    spuff_provider_free(&life.provider);
    spuff_cancel_free(&life.cancel);
    spuff_cloud_free(&cloud);
    return lived && ended ? 0 : 1;
}

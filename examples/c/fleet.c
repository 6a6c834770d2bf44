/* Creates a hundred instances at once, shows their phases, and destroys them, even after a failure
 * or Ctrl-C.
 *
 *     fleet [COUNT]                                a simulated Hetzner Cloud inside this process,
 *                                                  which costs nothing
 *     HETZNER_TOKEN=... fleet 3 hetzner fsn1 cx22  real instances
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spuff.h"

enum { PHASES = SPUFF_PHASE_FAILED + 1 };

/* The phase of each instance, and the number of instances in each phase. */
struct display {
    int32_t *phases;
    size_t counts[PHASES];
    uint64_t elapsed_ms, shown_ms;
    bool on_terminal, is_shown;
};

static void show(struct display *display) {
    const size_t *counts = display->counts;
    const char *start = display->on_terminal ? "\r\x1b[K" : "";
    const char *end = display->on_terminal ? "" : "\n";
    printf("%s%6.1f s  %zu accepted, %zu booting, %zu ready, %zu destroyed, %zu failed%s", start,
           (double)display->elapsed_ms / 1000, counts[SPUFF_PHASE_ACCEPTED],
           counts[SPUFF_PHASE_BOOTING], counts[SPUFF_PHASE_READY], counts[SPUFF_PHASE_DESTROYED],
           counts[SPUFF_PHASE_FAILED], end);
    fflush(stdout);
    display->shown_ms = display->elapsed_ms;
    display->is_shown = true;
}

/* A terminal shows every change; other output gets a line twice a second. */
static void on_progress(void *data, const spuff_progress *event) {
    struct display *display = data;
    if (event->phase == SPUFF_PHASE_PENDING || event->phase >= PHASES || event->index < 0) return;
    int32_t *phase = &display->phases[event->index];
    display->counts[*phase]--;
    display->counts[event->phase]++;
    *phase = event->phase;
    display->elapsed_ms = event->elapsed_ms;
    display->is_shown = false;
    if (display->on_terminal || event->elapsed_ms >= display->shown_ms + 500) show(display);
}

/* A display of `count` instances, all in one phase. */
static struct display display_of(size_t count, spuff_phase phase) {
    struct display display = {.phases = calloc(count + 1, sizeof *display.phases),
                              .on_terminal = isatty(STDOUT_FILENO) == 1};
    if (!display.phases) abort();
    for (size_t at = 0; at < count; at++) display.phases[at] = phase;
    display.counts[phase] = count;
    return display;
}

/* Shows the last state. */
static void display_end(struct display *display) {
    if (!display->is_shown) show(display);
    if (display->on_terminal) putchar('\n');
    free(display->phases);
}

/* Prints why a call failed, and what to do about it. */
static bool failed(const char *step, spuff_code code, spuff_error **error) {
    if (code == SPUFF_OK) return false;
    fprintf(stderr, "%s: %s\n  %s\n", step, spuff_error_text(*error), spuff_code_advice(code));
    spuff_error_free(error);
    return true;
}

/* Returns how many have not failed, and prints the errors of the others. */
static size_t good(const char *step, const spuff_outcomes *outcomes) {
    size_t good = 0;
    for (size_t at = 0; at < spuff_outcomes_count(outcomes); at++) {
        const spuff_error *failure = spuff_outcomes_error(outcomes, at);
        if (failure) fprintf(stderr, "%s, instance %zu: %s\n", step, at, spuff_error_text(failure));
        else good++;
    }
    return good;
}

static spuff_code ask_for(size_t number, const char *region, const char *size,
                          spuff_request **request, spuff_error **error) {
    char name[32], owner[32];
    snprintf(name, sizeof name, "fleet-%zu", number);
    snprintf(owner, sizeof owner, "fleet-%ld", (long)getpid());
    spuff_code code = spuff_request_new(name, region, size, request, error);
    /* If this program is killed, `reap` finds its instances by their owner or by their expired
     * lease. */
    if (code == SPUFF_OK) code = spuff_request_set_owner(*request, owner, error);
    if (code == SPUFF_OK) code = spuff_request_set_ttl_seconds(*request, 3600, error);
    return code;
}

/* Creates the instances and waits for them. Returns NULL if it was cancelled: then spuff destroys
 * what it has created. */
static spuff_outcomes *start(const spuff_provider *provider, size_t count, const char *region,
                             const char *size, const spuff_cancel *cancel) {
    spuff_request **requests = calloc(count + 1, sizeof *requests);
    struct display display = display_of(count, SPUFF_PHASE_PENDING);
    spuff_fleet_options options = {.size = sizeof options, .wait_ready = true};
    spuff_observer observer = {
        .size = sizeof observer, .progress = on_progress, .user_data = &display};
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    spuff_code code = SPUFF_OK;
    if (!requests) abort();
    for (size_t at = 0; at < count && code == SPUFF_OK; at++)
        code = ask_for(at + 1, region, size, &requests[at], &error);
    if (code == SPUFF_OK)
        code = spuff_provider_create_instances(provider, (const spuff_request *const *)requests,
                                               count, &options, cancel, &observer, &outcomes,
                                               &error);
    display_end(&display);
    failed("create", code, &error);
    for (size_t at = 0; at < count; at++) spuff_request_free(&requests[at]);
    free(requests);
    return outcomes;
}

/* Destroys all instances of a fleet, and waits for the background tasks. */
static size_t destroy(const spuff_provider *provider, const spuff_outcomes *fleet) {
    const char **ids = calloc(spuff_outcomes_count(fleet) + 1, sizeof *ids);
    spuff_outcomes *ends = NULL;
    spuff_error *error = NULL;
    size_t count = 0;
    if (!ids) abort();
    for (size_t at = 0; at < spuff_outcomes_count(fleet); at++) {
        const spuff_instance *instance = spuff_outcomes_instance(fleet, at);
        if (instance) ids[count++] = spuff_instance_id(instance);
    }
    struct display display = display_of(count, SPUFF_PHASE_READY);
    spuff_observer observer = {
        .size = sizeof observer, .progress = on_progress, .user_data = &display};
    failed("destroy",
           spuff_provider_destroy_instances(provider, ids, count, 0, NULL, &observer, &ends,
                                            &error),
           &error);
    display_end(&display);
    failed("settled", spuff_settled(NULL, &error), &error);
    const size_t destroyed = good("it still exists and costs money", ends);
    spuff_outcomes_free(&ends);
    free(ids);
    return destroyed;
}

/* A thread waits for Ctrl-C, since a signal handler may call very few functions. */
static void *watch_for_interrupts(void *cancel) {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    int signal;
    if (sigwait(&interrupt, &signal) == 0) spuff_cancel_cancel(cancel);
    return NULL;
}

int main(int arguments_count, char **arguments) {
    const size_t count = arguments_count > 1 ? strtoul(arguments[1], NULL, 10) : 100;
    if (count == 0 || (arguments_count > 2 && arguments_count != 5)) {
        fprintf(stderr, "usage: fleet [COUNT [PROVIDER REGION SIZE]]\n");
        return 2;
    }
    /* Block SIGINT before any other thread starts: each inherits the mask, and only sigwait
     * receives the signal. */
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL);

    const char *name = "hetzner", *region = "fsn1", *size = "cx22";
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_cancel *cancel = spuff_cancel_new();
    spuff_provider *provider = NULL;
    spuff_cloud *cloud = NULL;
    spuff_config *config = NULL;
    spuff_error *error = NULL;
    spuff_code code;
    if (arguments_count == 5) {
        name = arguments[2], region = arguments[3], size = arguments[4];
        code = spuff_registry_from_env(registry, name, &provider, &error);
    } else {
        puts("a simulated Hetzner Cloud inside this process, whose time passes 30 times as fast");
        spuff_cloud_options options = {.size = sizeof options, .speed = 30};
        code = spuff_cloud_start(&options, &cloud, &error);
        if (code == SPUFF_OK) code = spuff_cloud_config(cloud, name, &config, &error);
        if (code == SPUFF_OK)
            code = spuff_registry_connect(registry, name, config, &provider, &error);
        spuff_config_free(&config);
    }
    spuff_registry_free(&registry);
    if (failed("connect", code, &error)) {
        spuff_cancel_free(&cancel);
        spuff_cloud_free(&cloud);
        return 1;
    }

    pthread_t watcher;
    const bool watches = pthread_create(&watcher, NULL, watch_for_interrupts, cancel) == 0;

    spuff_outcomes *fleet = start(provider, count, region, size, cancel);
    const size_t ready = good("it has not become ready", fleet);
    const size_t destroyed = destroy(provider, fleet);
    printf("%zu of %zu were ready, %zu are destroyed\n", ready, count, destroyed);
    spuff_outcomes_free(&fleet);
    if (watches) {
        pthread_cancel(watcher);
        pthread_join(watcher, NULL);
    }
    size_t left = 0;
    if (cloud) {
        spuff_resources *leaks = NULL;
        if (failed("leaks", spuff_cloud_leaks(cloud, &leaks, &error), &error)) left = 1;
        else left = spuff_resources_count(leaks);
        for (size_t at = 0; at < left; at++)
            fprintf(stderr, "left behind: %s\n", spuff_resources_text(leaks, at));
        spuff_resources_free(&leaks);
    }
    spuff_provider_free(&provider);
    spuff_cancel_free(&cancel);
    spuff_cloud_free(&cloud);
    return ready == count && destroyed == count && left == 0 ? 0 : 1;
}

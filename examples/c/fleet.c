/* A hundred machines at once, with a line that shows how far they are, and their end: also after a failure and Ctrl-C.
 *
 *     fleet [COUNT]                                a simulated Hetzner Cloud inside this process: nothing to pay
 *     HETZNER_TOKEN=... fleet 3 hetzner fsn1 cx22  real machines
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spuff.h"

enum { PHASES = SPUFF_PHASE_FAILED + 1 };

/* How far each machine is, and how many are how far. */
struct display {
    int32_t *phases;
    size_t counts[PHASES];
    uint64_t elapsed_ms, shown_ms;
    bool on_terminal, is_shown;
};

static void show(struct display *display) {
    const size_t *counts = display->counts;
    const char *start = display->on_terminal ? "\r\x1b[K" : "", *end = display->on_terminal ? "" : "\n";
    printf("%s%6.1f s  %zu accepted, %zu booting, %zu ready, %zu destroyed, %zu failed%s", start,
           (double)display->elapsed_ms / 1000, counts[SPUFF_PHASE_ACCEPTED], counts[SPUFF_PHASE_BOOTING],
           counts[SPUFF_PHASE_READY], counts[SPUFF_PHASE_DESTROYED], counts[SPUFF_PHASE_FAILED], end);
    fflush(stdout);
    display->shown_ms = display->elapsed_ms;
    display->is_shown = true;
}

/* On a terminal every change is shown, elsewhere what there is twice a second. */
static void on_progress(void *data, const spuff_progress *seen) {
    struct display *display = data;
    if (seen->phase == SPUFF_PHASE_PENDING || seen->phase >= PHASES || seen->index < 0) return;
    int32_t *phase = &display->phases[seen->index];
    display->counts[*phase]--;
    display->counts[seen->phase]++;
    *phase = seen->phase;
    display->elapsed_ms = seen->elapsed_ms;
    display->is_shown = false;
    if (display->on_terminal || seen->elapsed_ms >= display->shown_ms + 500) show(display);
}

/* A display of so many machines that are all that far. */
static struct display display_of(size_t count, spuff_phase phase) {
    struct display display = {.phases = calloc(count + 1, sizeof *display.phases), .on_terminal = isatty(STDOUT_FILENO) == 1};
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

/* Prints why a call has failed, and what to do about it. */
static bool failed(const char *step, spuff_code code, spuff_error **error) {
    if (code == SPUFF_OK) return false;
    fprintf(stderr, "%s: %s\n  %s\n", step, spuff_error_text(*error), spuff_code_advice(code));
    spuff_error_free(error);
    return true;
}

/* How many have not failed; tells of the others. */
static size_t good(const char *step, const spuff_outcomes *outcomes) {
    size_t good = 0;
    for (size_t at = 0; at < spuff_outcomes_count(outcomes); at++) {
        const spuff_error *failure = spuff_outcomes_error(outcomes, at);
        if (failure) fprintf(stderr, "%s, machine %zu: %s\n", step, at, spuff_error_text(failure));
        else good++;
    }
    return good;
}

static spuff_code ask_for(size_t number, const char *region, const char *size, spuff_request **request, spuff_error **error) {
    char name[32], owner[32];
    snprintf(name, sizeof name, "fleet-%zu", number);
    snprintf(owner, sizeof owner, "fleet-%ld", (long)getpid());
    spuff_code code = spuff_request_new(name, region, size, request, error);
    /* Should this program not come to its end, whoever reaps knows what is its, and when it is over. */
    if (code == SPUFF_OK) code = spuff_request_set_owner(*request, owner, error);
    if (code == SPUFF_OK) code = spuff_request_set_ttl_seconds(*request, 3600, error);
    return code;
}

/* Starts the machines and waits for them. NULL when it was cancelled: then nothing is left of them. */
static spuff_outcomes *start(const spuff_provider *provider, size_t count, const char *region, const char *size,
                             const spuff_cancel *cancel) {
    spuff_request **requests = calloc(count + 1, sizeof *requests);
    struct display display = display_of(count, SPUFF_PHASE_PENDING);
    spuff_fleet_options options = {.size = sizeof options, .wait_ready = true};
    spuff_observer observer = {.size = sizeof observer, .progress = on_progress, .user_data = &display};
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    spuff_code code = SPUFF_OK;
    if (!requests) abort();
    for (size_t at = 0; at < count && code == SPUFF_OK; at++) code = ask_for(at + 1, region, size, &requests[at], &error);
    if (code == SPUFF_OK)
        code = spuff_provider_create_instances(provider, (const spuff_request *const *)requests, count, &options, cancel, &observer,
                                               &outcomes, &error);
    display_end(&display);
    failed("create", code, &error);
    for (size_t at = 0; at < count; at++) spuff_request_free(&requests[at]);
    free(requests);
    return outcomes;
}

/* Ends all machines of a fleet, and what goes on in the background. */
static size_t end(const spuff_provider *provider, const spuff_outcomes *fleet) {
    const char **ids = calloc(spuff_outcomes_count(fleet) + 1, sizeof *ids);
    spuff_outcomes *ends = NULL;
    spuff_error *error = NULL;
    size_t count = 0;
    if (!ids) abort();
    for (size_t at = 0; at < spuff_outcomes_count(fleet); at++) {
        const spuff_instance *machine = spuff_outcomes_instance(fleet, at);
        if (machine) ids[count++] = spuff_instance_id(machine);
    }
    struct display display = display_of(count, SPUFF_PHASE_READY);
    spuff_observer observer = {.size = sizeof observer, .progress = on_progress, .user_data = &display};
    failed("destroy", spuff_provider_destroy_instances(provider, ids, count, 0, NULL, &observer, &ends, &error), &error);
    display_end(&display);
    failed("settled", spuff_settled(NULL, &error), &error);
    const size_t ended = good("it still exists and costs money", ends);
    spuff_outcomes_free(&ends);
    free(ids);
    return ended;
}

/* Ctrl-C is taken by a thread that waits for it, since little may be called in a signal handler. */
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
        fprintf(stderr, "give how many machines, and for real ones a provider, a region and a size\n");
        return 2;
    }
    /* Before there is any other thread: each begins with this, and an interrupt waits for whoever waits for it. */
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
        puts("a simulated Hetzner Cloud inside this process, whose time goes 30 times as fast");
        spuff_cloud_options options = {.size = sizeof options, .speed = 30};
        code = spuff_cloud_start(&options, &cloud, &error);
        if (code == SPUFF_OK) code = spuff_cloud_config(cloud, name, &config, &error);
        if (code == SPUFF_OK) code = spuff_registry_connect(registry, name, config, &provider, &error);
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
    const size_t ended = end(provider, fleet);
    printf("%zu of %zu were ready, %zu are ended\n", ready, count, ended);
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
        for (size_t at = 0; at < left; at++) fprintf(stderr, "left behind: %s\n", spuff_resources_text(leaks, at));
        spuff_resources_free(&leaks);
    }
    spuff_provider_free(&provider);
    spuff_cancel_free(&cancel);
    spuff_cloud_free(&cloud);
    return ready == count && ended == count && left == 0 ? 0 : 1;
}

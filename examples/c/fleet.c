/* Twenty machines at once without a thread for each: calls that call back, with progress, on a simulated DigitalOcean.
 *
 *     fleet
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "spuff.h"

enum { MACHINES = 20 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int under_way, ready, gone, failures;

/* One of the fleet: what its callbacks are called with. */
struct member {
    spuff_provider *provider;
    int number;
    char id[64];
};

static void arrived(int *counter) {
    pthread_mutex_lock(&lock);
    under_way--;
    ++*counter;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_for_all(void) {
    pthread_mutex_lock(&lock);
    while (under_way > 0) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void tell(const struct member *member, const char *what, spuff_error *error) {
    fprintf(stderr, "machine %d %s: %s\n", member->number, what, spuff_error_text(error));
    spuff_error_free(&error);
}

static void on_progress(void *data, const spuff_progress *seen) {
    const struct member *member = data;
    printf("machine %2d  %6.2f s  %s\n", member->number, (double)seen->elapsed_ms / 1000, seen->state);
}

static void on_ready(void *data, spuff_code code, spuff_instance *machine, spuff_error *error) {
    struct member *member = data;
    if (code == SPUFF_OK) {
        snprintf(member->id, sizeof member->id, "%s", spuff_instance_id(machine));
        printf("machine %2d  ready at %s\n", member->number, spuff_instance_ip(machine));
    } else {
        tell(member, "did not become ready", error);
    }
    spuff_instance_free(&machine);
    arrived(code == SPUFF_OK ? &ready : &failures);
}

static void on_gone(void *data, spuff_code code, spuff_error *error) {
    if (code != SPUFF_OK) tell(data, "still exists and costs money", error);
    arrived(code == SPUFF_OK ? &gone : &failures);
}

/* Counts a call that was submitted; its callback may come before this returns. */
static void submitting(void) {
    pthread_mutex_lock(&lock);
    under_way++;
    pthread_mutex_unlock(&lock);
}

static void start(struct member *member) {
    char name[32];
    snprintf(name, sizeof name, "fleet-%d", member->number);
    spuff_request *request = NULL;
    spuff_error *error = NULL;
    spuff_observer observer = {.size = sizeof observer, .progress = on_progress, .user_data = member};
    submitting();
    spuff_code code = spuff_request_new(name, "nyc3", "s-1vcpu-1gb", &request, &error);
    if (code == SPUFF_OK)
        code = spuff_provider_create_and_wait_submit(member->provider, request, SPUFF_ON_FAILURE_DESTROY, NULL, &observer,
                                                     on_ready, member, &error);
    spuff_request_free(&request);
    if (code != SPUFF_OK) {
        tell(member, "cannot be started", error);
        arrived(&failures);
    }
}

static void destroy(struct member *member) {
    spuff_error *error = NULL;
    if (!member->id[0]) return;
    submitting();
    if (spuff_provider_destroy_instance_submit(member->provider, member->id, NULL, on_gone, member, &error) != SPUFF_OK) {
        tell(member, "cannot be ended", error);
        arrived(&failures);
    }
}

int main(void) {
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_cloud_options options = {.size = sizeof options, .speed = 30};
    spuff_cloud *cloud = NULL;
    spuff_config *config = NULL;
    spuff_provider *provider = NULL;
    spuff_error *error = NULL;
    spuff_code code = spuff_cloud_start(&options, &cloud, &error);
    if (code == SPUFF_OK) code = spuff_cloud_config(cloud, "digitalocean", &config, &error);
    if (code == SPUFF_OK) code = spuff_config_set_timeout_ms(config, "poll_interval", 500, &error);
    if (code == SPUFF_OK) code = spuff_registry_connect(registry, "digitalocean", config, &provider, &error);
    spuff_config_free(&config);
    spuff_registry_free(&registry);
    if (code != SPUFF_OK) {
        fprintf(stderr, "%s\n", spuff_error_text(error));
        spuff_error_free(&error);
        spuff_cloud_free(&cloud);
        return 1;
    }

    struct member fleet[MACHINES] = {{0}};
    for (int number = 0; number < MACHINES; number++) {
        fleet[number].provider = provider;
        fleet[number].number = number;
        start(&fleet[number]);
    }
    wait_for_all();
    for (int number = 0; number < MACHINES; number++) destroy(&fleet[number]);
    wait_for_all();

    spuff_resources *leaks = NULL;
    spuff_cloud_leaks(cloud, &leaks, NULL);
    const size_t left = spuff_resources_count(leaks);
    for (size_t at = 0; at < left; at++) fprintf(stderr, "left behind: %s\n", spuff_resources_text(leaks, at));
    spuff_resources_free(&leaks);
    printf("%d ready, %d ended, %d failures, %zu left behind\n", ready, gone, failures, left);
    spuff_provider_free(&provider);
    spuff_cloud_free(&cloud);
    return ready == MACHINES && gone == MACHINES && failures == 0 && left == 0 ? 0 : 1;
}

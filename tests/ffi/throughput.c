/* How many machines a second are created, waited for and destroyed through the C interface, one
 * after the other and by sixteen threads, and at what CPU time of this process each.
 *
 *     simulator --instant -- throughput hetzner fsn1 cx22
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "spuff.h"

enum { ROUNDS = 15, LIFECYCLES = 160, THREADS = 16 };

static spuff_provider *provider;
static const char *region, *size;
static atomic_int next;

/* Ends the program when a call has failed: what was measured would be something else. */
static void must(spuff_code code, spuff_error *error) {
    if (code == SPUFF_OK) return;
    fprintf(stderr, "%s\n", spuff_error_text(error));
    exit(1);
}

static void live(void) {
    char name[32];
    snprintf(name, sizeof name, "web-%08d", atomic_fetch_add(&next, 1));
    spuff_request *request = NULL;
    spuff_instance *made = NULL, *ready = NULL;
    spuff_error *error = NULL;
    must(spuff_request_new(name, region, size, &request, &error), error);
    must(spuff_provider_create_instance(provider, request, NULL, &made, &error), error);
    must(spuff_provider_wait_ready(provider, spuff_instance_id(made), NULL, NULL, &ready, &error),
         error);
    must(spuff_provider_destroy_instance(provider, spuff_instance_id(made), NULL, &error), error);
    spuff_instance_free(&ready);
    spuff_instance_free(&made);
    spuff_request_free(&request);
}

static void *lives(void *count) {
    for (int left = *(const int *)count; left > 0; left--) live();
    return NULL;
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int ascending(const void *one, const void *other) {
    double left = *(const double *)one, right = *(const double *)other;
    return (left > right) - (left < right);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static void measure(const char *what, int threads) {
    double rates[ROUNDS], cpu[ROUNDS];
    int each = LIFECYCLES / threads;
    /* The first round warms connections and caches. */
    for (int round = -1; round < ROUNDS; round++) {
        pthread_t workers[THREADS];
        double began = seconds(CLOCK_MONOTONIC), worked = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int at = 0; at < threads; at++) {
            if (pthread_create(&workers[at], NULL, lives, &each) != 0) exit(1);
        }
        for (int at = 0; at < threads; at++) pthread_join(workers[at], NULL);
        if (round < 0) continue;
        rates[round] = LIFECYCLES / (seconds(CLOCK_MONOTONIC) - began);
        cpu[round] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - worked) / LIFECYCLES * 1e6;
    }
    printf("c %s: %.0f lifecycles/s, %.0f us CPU each\n", what, median(rates), median(cpu));
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "give a provider, a region and a size\n");
        return 2;
    }
    region = arguments[2];
    size = arguments[3];
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_error *error = NULL;
    must(spuff_registry_from_env(registry, arguments[1], &provider, &error), error);
    measure("sequential", 1);
    measure("16 threads", THREADS);
    spuff_provider_free(&provider);
    spuff_registry_free(&registry);
    return 0;
}

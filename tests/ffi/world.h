/* What the C tests of the ABI share: checks that are counted, and simulated clouds with a provider
 * on them. */
#ifndef SPUFF_TEST_WORLD_H
#define SPUFF_TEST_WORLD_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spuff.h"

static atomic_long checks;
static atomic_long failures;

static inline bool check(bool good, const char *file, int line, const char *condition,
                         const char *about, ...) {
    atomic_fetch_add(&checks, 1);
    if (!good) {
        va_list arguments;
        atomic_fetch_add(&failures, 1);
        va_start(arguments, about);
        flockfile(stderr);
        fprintf(stderr, "FAIL %s:%d: %s: ", file, line, condition);
        vfprintf(stderr, about, arguments);
        fputc('\n', stderr);
        funlockfile(stderr);
        va_end(arguments);
    }
    return good;
}

/* Counts a check; one that fails says where it stands and what it was about. */
#define CHECK(condition, ...) ((void)check(condition, __FILE__, __LINE__, #condition, __VA_ARGS__))
/* Ends a test without which the next ones mean nothing. */
#define NEED(condition, ...)                                                                       \
    (check(condition, __FILE__, __LINE__, #condition, __VA_ARGS__) ? (void)0 : exit(1))

static inline const char *shown(const char *text) {
    return text == NULL ? "(null)" : text;
}

static inline bool same(const char *one, const char *other) {
    return one != NULL && other != NULL && strcmp(one, other) == 0;
}

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void pause_ms(long ms) {
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Checks that a call has succeeded, and frees its error if it has not. */
static inline bool is_ok(spuff_code code, spuff_error **error, const char *what) {
    CHECK(code == SPUFF_OK, "%s: %s", what, shown(spuff_error_text(*error)));
    spuff_error_free(error);
    return code == SPUFF_OK;
}

/* Clouds, and one provider on one of them. */
struct world {
    spuff_cloud *cloud;
    spuff_registry *registry;
    spuff_config *config;
    spuff_provider *provider;
};

#define WORLD_PROVIDER "hetzner"
#define WORLD_REGION "fsn1"
#define WORLD_SIZE "cx22"

/* A speed of 0 is a clock that only spuff_cloud_advance_ms moves. */
static inline struct world world_open(double speed) {
    struct world world = {NULL, NULL, NULL, NULL};
    spuff_error *error = NULL;
    spuff_cloud_options options = {
        .size = sizeof options, .speed = speed, .manual_clock = speed == 0.0};
    NEED(is_ok(spuff_cloud_start(&options, &world.cloud, &error), &error, "cloud"),
         "nothing can be tested");
    NEED(is_ok(spuff_cloud_config(world.cloud, WORLD_PROVIDER, &world.config, &error), &error,
               "config"),
         "no configuration");
    spuff_config_set_timeout_ms(world.config, "poll_interval", 20, NULL);
    world.registry = spuff_registry_with_defaults();
    spuff_code code = spuff_registry_connect(world.registry, WORLD_PROVIDER, world.config,
                                             &world.provider, &error);
    NEED(is_ok(code, &error, "connect"), "no provider");
    return world;
}

static inline spuff_request *world_request(const char *name) {
    spuff_request *request = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(spuff_request_new(name, WORLD_REGION, WORLD_SIZE, &request, &error), &error,
               "request"),
         "no request");
    return request;
}

/* Checks that nothing is left that costs money. */
static inline void world_is_empty(const struct world *world) {
    spuff_error *error = NULL;
    spuff_resources *left = NULL;
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    if (is_ok(spuff_cloud_leaks(world->cloud, &left, &error), &error, "leaks")) {
        CHECK(spuff_resources_count(left) == 0, "left in the cloud: %s",
              shown(spuff_resources_text(left, 0)));
        for (size_t at = 1; at < spuff_resources_count(left); at++) {
            fprintf(stderr, "  also left: %s\n", shown(spuff_resources_text(left, at)));
        }
    }
    spuff_resources_free(&left);
}

static inline void world_close(struct world *world) {
    spuff_provider_free(&world->provider);
    spuff_registry_free(&world->registry);
    spuff_config_free(&world->config);
    spuff_cloud_free(&world->cloud);
}

/* The last line, and the answer of main. */
static inline int verdict(const char *name) {
    printf("%s: %ld checks, %ld failed\n", name, atomic_load(&checks), atomic_load(&failures));
    return atomic_load(&failures) == 0 ? 0 : 1;
}

#endif

/* A provider written in C: a cloud of fifty instances in memory, added to a registry, and checked
 * by the conformance suite.
 *
 *     provider
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spuff.h"

enum { MOST = 50, LABELS = 16, USER_DATA = 1024, BOOT_MS = 60 };

struct machine {
    bool exists;
    unsigned number;
    char name[64], region[32], size[32];
    char keys[LABELS][64], values[LABELS][128];
    size_t labels;
    int64_t created_ms;
};

/* All records; several threads call the functions below at once. */
struct nimbus {
    pthread_mutex_t lock;
    struct machine machines[MOST];
    unsigned made;
};

static int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Returns an error of a kind. `field` belongs to SPUFF_INVALID_CONFIG. */
static spuff_code refuse(spuff_error **error, spuff_code code, const char *field,
                         const char *message) {
    if (spuff_error_new(code, message, error, NULL) == SPUFF_OK && field)
        spuff_error_set_text(*error, "field", field);
    return code;
}

static struct machine *find(struct nimbus *cloud, const char *id) {
    for (size_t at = 0; at < MOST; at++) {
        char known[16];
        snprintf(known, sizeof known, "nb-%u", cloud->machines[at].number);
        if (cloud->machines[at].exists && strcmp(known, id) == 0) return &cloud->machines[at];
    }
    return NULL;
}

static const char *label(const struct machine *machine, const char *key) {
    for (size_t at = 0; at < machine->labels; at++)
        if (strcmp(machine->keys[at], key) == 0) return machine->values[at];
    return NULL;
}

static bool add_label(struct machine *machine, const char *key, const char *value) {
    size_t at = 0;
    while (at < machine->labels && strcmp(machine->keys[at], key) != 0) at++;
    if (at == LABELS || strlen(key) >= sizeof machine->keys[at] ||
        strlen(value) >= sizeof machine->values[at])
        return false;
    strcpy(machine->keys[at], key);
    strcpy(machine->values[at], value);
    if (at == machine->labels) machine->labels++;
    return true;
}

/* Converts a record to an instance. */
static spuff_code show(const struct machine *machine, spuff_instance **out, spuff_error **error) {
    char id[16], ip[32];
    snprintf(id, sizeof id, "nb-%u", machine->number);
    snprintf(ip, sizeof ip, "203.0.113.%u", machine->number % 250 + 1);
    const bool runs = now_ms() >= machine->created_ms + BOOT_MS;
    spuff_code code = spuff_instance_new(id, out, error);
    if (code == SPUFF_OK)
        code = spuff_instance_describe(*out, machine->name, machine->region, machine->size, error);
    if (code == SPUFF_OK) code = spuff_instance_set_created_at_ms(*out, machine->created_ms, error);
    if (code == SPUFF_OK)
        code = spuff_instance_set_status(*out, runs ? "running" : "pending", error);
    if (code == SPUFF_OK && runs) code = spuff_instance_add_address(*out, ip, true, error);
    for (size_t at = 0; code == SPUFF_OK && at < machine->labels; at++)
        code = spuff_instance_add_label(*out, machine->keys[at], machine->values[at], error);
    return code;
}

static spuff_code check(const spuff_request *request, spuff_error **error) {
    const char *name = spuff_request_name(request), *data = spuff_request_user_data(request);
    if (!name[0] || strlen(name) > 60)
        return refuse(error, SPUFF_INVALID_CONFIG, "name",
                      "expected 1 to 60 bytes; use a shorter name");
    if (strcmp(spuff_request_region(request), "north") != 0)
        return refuse(error, SPUFF_INVALID_CONFIG, "region", "the only region is north; use it");
    if (strcmp(spuff_request_size(request), "small") != 0)
        return refuse(error, SPUFF_INVALID_CONFIG, "size", "the only size is small; use it");
    if (data && strlen(data) > USER_DATA)
        return refuse(error, SPUFF_INVALID_CONFIG, "user_data", "more than 1024 bytes; use less");
    return SPUFF_OK;
}

static bool copy_labels(struct machine *machine, const spuff_request *request) {
    const char *key = spuff_request_idempotency_key(request), *owner = spuff_request_owner(request);
    bool fits = add_label(machine, "managed-by", "spuff") &&
                (!key || add_label(machine, "spuff-key", key)) &&
                (!owner || add_label(machine, "spuff-owner", owner));
    for (size_t at = 0; at < spuff_request_label_count(request); at++)
        fits = fits && add_label(machine, spuff_request_label_key(request, at),
                                 spuff_request_label_value(request, at));
    return fits;
}

static struct machine *made_under(struct nimbus *cloud, const char *key) {
    for (size_t at = 0; key && at < MOST; at++) {
        const char *known =
            cloud->machines[at].exists ? label(&cloud->machines[at], "spuff-key") : NULL;
        if (known && strcmp(known, key) == 0) return &cloud->machines[at];
    }
    return NULL;
}

static spuff_code create_instance(void *self, const spuff_request *request,
                                  const spuff_cancel *cancel, spuff_instance **out,
                                  spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel;
    spuff_code code = check(request, error);
    if (code != SPUFF_OK) return code;
    pthread_mutex_lock(&cloud->lock);
    struct machine *machine = made_under(cloud, spuff_request_idempotency_key(request));
    const bool found = machine;
    for (size_t at = 0; !machine && at < MOST; at++) {
        if (cloud->machines[at].exists) continue;
        machine = &cloud->machines[at];
        memset(machine, 0, sizeof *machine);
        strcpy(machine->name, spuff_request_name(request));
        strcpy(machine->region, spuff_request_region(request));
        strcpy(machine->size, spuff_request_size(request));
        machine->number = ++cloud->made;
        machine->created_ms = now_ms();
        machine->exists = copy_labels(machine, request);
    }
    if (!machine) code = refuse(error, SPUFF_CAPACITY, NULL, "all fifty instances are in use");
    else if (!machine->exists)
        code = refuse(error, SPUFF_INVALID_CONFIG, "labels",
                      "the limit is 14 short labels; use fewer");
    else code = show(machine, out, error);
    if (code == SPUFF_OK && found) code = spuff_instance_set_adopted(*out, true, error);
    pthread_mutex_unlock(&cloud->lock);
    return code;
}

static spuff_code destroy_instance(void *self, const char *id, const spuff_cancel *cancel,
                                   spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel, (void)error;
    pthread_mutex_lock(&cloud->lock);
    struct machine *machine = find(cloud, id);
    if (machine) machine->exists = false;
    pthread_mutex_unlock(&cloud->lock);
    return SPUFF_OK;
}

static spuff_code get_instance(void *self, const char *id, const spuff_cancel *cancel,
                               spuff_instance **out, spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel;
    pthread_mutex_lock(&cloud->lock);
    const struct machine *machine = find(cloud, id);
    spuff_code code = machine ? show(machine, out, error) : SPUFF_OK;
    pthread_mutex_unlock(&cloud->lock);
    return code;
}

static spuff_code list_instances(void *self, const spuff_cancel *cancel, spuff_instances *list,
                                 spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel;
    spuff_code code = SPUFF_OK;
    pthread_mutex_lock(&cloud->lock);
    for (size_t at = 0; code == SPUFF_OK && at < MOST; at++) {
        if (!cloud->machines[at].exists) continue;
        spuff_instance *instance = NULL;
        code = show(&cloud->machines[at], &instance, error);
        if (code == SPUFF_OK) code = spuff_instances_push(list, &instance, error);
        spuff_instance_free(&instance);
    }
    pthread_mutex_unlock(&cloud->lock);
    return code;
}

static spuff_code resolve(void *self, const char *key, const spuff_cancel *cancel,
                          spuff_instance **out, spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel;
    pthread_mutex_lock(&cloud->lock);
    const struct machine *machine = made_under(cloud, key);
    spuff_code code = machine ? show(machine, out, error) : SPUFF_OK;
    pthread_mutex_unlock(&cloud->lock);
    return code;
}

static spuff_code set_labels(void *self, const char *id, const char *const *keys,
                             const char *const *values, size_t count, const spuff_cancel *cancel,
                             spuff_error **error) {
    struct nimbus *cloud = self;
    (void)cancel;
    spuff_code code = SPUFF_OK;
    pthread_mutex_lock(&cloud->lock);
    struct machine *machine = find(cloud, id);
    if (!machine) {
        code = refuse(error, SPUFF_NOT_FOUND, NULL, "no such instance");
        spuff_error_set_text(*error, "resource_type", "instance");
        spuff_error_set_text(*error, "resource_id", id);
    }
    for (size_t at = 0; code == SPUFF_OK && at < count; at++)
        if (!add_label(machine, keys[at], values[at]))
            code = refuse(error, SPUFF_INVALID_CONFIG, "labels",
                          "the limit is 16 short labels; use fewer");
    pthread_mutex_unlock(&cloud->lock);
    return code;
}

/* spuff calls this when nothing uses the table any more. */
static void drop(void *user_data) {
    struct nimbus *cloud = user_data;
    pthread_mutex_destroy(&cloud->lock);
    free(cloud);
}

int main(void) {
    struct nimbus *cloud = calloc(1, sizeof *cloud);
    if (!cloud || pthread_mutex_init(&cloud->lock, NULL) != 0) return 1;
    const spuff_provider_vtable table = {.size = sizeof table,
                                         .user_data = cloud,
                                         .drop = drop,
                                         .max_user_data = USER_DATA,
                                         .create_instance = create_instance,
                                         .destroy_instance = destroy_instance,
                                         .get_instance = get_instance,
                                         .list_instances = list_instances,
                                         .resolve = resolve,
                                         .set_labels = set_labels};
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_config *config = spuff_config_new();
    spuff_request *request = NULL;
    spuff_report *report = NULL;
    spuff_error *error = NULL;
    spuff_code code =
        spuff_registry_register(registry, "nimbus", "fifty instances in memory", &table, &error);
    if (code == SPUFF_OK) code = spuff_config_set_timeout_ms(config, "poll_interval", 20, &error);
    if (code == SPUFF_OK) code = spuff_request_new("", "north", "small", &request, &error);
    const spuff_subject subject = {.size = sizeof subject,
                                   .name = "nimbus",
                                   .config = config,
                                   .request = request,
                                   .absent_id = "nb-0",
                                   .idempotent = true};
    if (code == SPUFF_OK) code = spuff_conformance_check(registry, &subject, NULL, &report, &error);
    if (code == SPUFF_OK) fputs(spuff_report_text(report), stdout);
    else fprintf(stderr, "%s\n", spuff_error_text(error));
    const bool passed = spuff_report_is_passed(report);
    spuff_report_free(&report);
    spuff_request_free(&request);
    spuff_config_free(&config);
    spuff_registry_free(&registry);
    spuff_error_free(&error);
    return passed ? 0 : 1;
}

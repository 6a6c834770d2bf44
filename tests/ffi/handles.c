/* What is set is what is told, also when it is set again, and from the handle's own text; what is
 * refused changes nothing; numbers at their ends reach the verbs without harm. */
#include "fake_provider.h"

#include <stddef.h>

static struct world world;

#define SET(call)                                                                                  \
    do {                                                                                           \
        spuff_error *error_ = NULL, **error = &error_;                                             \
        is_ok(call, error, #call);                                                                 \
    } while (0)
#define TELLS(call, expected) CHECK(same(call, expected), "%s", shown(call))
#define REFUSES(call, argument)                                                                    \
    do {                                                                                           \
        spuff_error *error_ = NULL, **error = &error_;                                             \
        CHECK((call) == SPUFF_INVALID_CONFIG, "%s", #call);                                        \
        CHECK(same(spuff_error_field(error_), argument), "%s: %s", #call,                          \
              shown(spuff_error_field(error_)));                                                   \
        spuff_error_free(&error_);                                                                 \
    } while (0)

/* A text is told, told anew when it is changed, stays when a change is refused, and may be set from
 * what is told. */
#define TEXT(set, get, argument)                                                                   \
    do {                                                                                           \
        const char *value = "one";                                                                 \
        SET(set);                                                                                  \
        TELLS(get, "one");                                                                         \
        value = "zwei \xc3\xa4\xc3\xb6\xc3\xbc";                                                   \
        SET(set);                                                                                  \
        TELLS(get, value);                                                                         \
        value = "\xff";                                                                            \
        REFUSES(set, argument);                                                                    \
        TELLS(get, "zwei \xc3\xa4\xc3\xb6\xc3\xbc");                                               \
        value = get;                                                                               \
        SET(set);                                                                                  \
        TELLS(get, "zwei \xc3\xa4\xc3\xb6\xc3\xbc");                                               \
    } while (0)

static void configs(void) {
    static const char *const timeouts[] = {"instance_ready", "action_complete", "poll_interval",
                                           "http_request",   "ssh_connect",     "cloud_init"};
    spuff_config *config = spuff_config_new();
    CHECK(spuff_config_token(config) == NULL && spuff_config_region(config) == NULL,
          "there is nothing in a new one");
    TEXT(spuff_config_set_token(config, value, error), spuff_config_token(config), "token");
    TEXT(spuff_config_set_endpoint(config, value, error), spuff_config_endpoint(config),
         "endpoint");
    TEXT(spuff_config_set_region(config, value, error), spuff_config_region(config), "region");
    TEXT(spuff_config_set_ca_file(config, value, error), spuff_config_ca_file(config), "path");
    TEXT(spuff_config_set_option(config, "option", value, error),
         spuff_config_option(config, "option"), "value");
    SET(spuff_config_set_option(config, spuff_config_option(config, "option"), "own", error));
    TELLS(spuff_config_option(config, "zwei \xc3\xa4\xc3\xb6\xc3\xbc"), "own");
    for (size_t at = 0; at < sizeof timeouts / sizeof *timeouts; at++) {
        SET(spuff_config_set_timeout_ms(config, timeouts[at], 1000 + at, error));
    }
    for (size_t at = 0; at < sizeof timeouts / sizeof *timeouts; at++) {
        CHECK(spuff_config_timeout_ms(config, timeouts[at]) == (int64_t)(1000 + at), "%s",
              timeouts[at]);
    }
    REFUSES(spuff_config_set_timeout_ms(config, "patience", 1, error), "name");
    spuff_config_free(&config);
}

static void requests(void) {
    spuff_request *request = world_request("name");
    TELLS(spuff_request_name(request), "name");
    TELLS(spuff_request_region(request), WORLD_REGION);
    TELLS(spuff_request_size(request), WORLD_SIZE);
    TELLS(spuff_request_image(request), "ubuntu:24.04");
    TEXT(spuff_request_set_image(request, value, error), spuff_request_image(request), "image");
    TEXT(spuff_request_set_user_data(request, value, error), spuff_request_user_data(request),
         "user_data");
    TEXT(spuff_request_set_idempotency_key(request, value, error),
         spuff_request_idempotency_key(request), "key");
    TEXT(spuff_request_set_owner(request, value, error), spuff_request_owner(request), "owner");
    TEXT(spuff_request_add_label(request, "key", value, error),
         spuff_request_label_value(request, 0), "value");
    SET(spuff_request_add_label(request, spuff_request_label_key(request, 0), "own", error));
    TELLS(spuff_request_label_value(request, 0), "own");
    CHECK(spuff_request_label_count(request) == 1, "one key has one value");
    SET(spuff_request_add_ssh_key(request, "first", error));
    SET(spuff_request_add_ssh_key(request, spuff_request_ssh_key(request, 0), error));
    SET(spuff_request_add_ssh_key(request, "last", error));
    CHECK(spuff_request_ssh_key_count(request) >= 2, "%zu keys",
          spuff_request_ssh_key_count(request));
    TELLS(spuff_request_ssh_key(request, 0), "first");
    TELLS(spuff_request_ssh_key(request, spuff_request_ssh_key_count(request) - 1), "last");
    CHECK(spuff_request_ttl_seconds(request) == -1, "no lease");
    SET(spuff_request_set_ttl_seconds(request, 60, error));
    CHECK(spuff_request_ttl_seconds(request) == 60, "a lease");
    REFUSES(spuff_request_set_on_cancel(request, 3, error), "on_cancel");
    REFUSES(spuff_request_set_on_cancel(request, -1, error), "on_cancel");
    spuff_request_free(&request);
}

static void machines(void) {
    spuff_instance *machine = NULL;
    REFUSES(spuff_instance_new("", &machine, error), "id");
    SET(spuff_instance_new("7", &machine, error));
    TELLS(spuff_instance_id(machine), "7");
    TEXT(spuff_instance_describe(machine, value, "r", "s", error), spuff_instance_name(machine),
         "name");
    TEXT(spuff_instance_describe(machine, "n", value, "s", error), spuff_instance_region(machine),
         "region");
    TEXT(spuff_instance_describe(machine, "n", "r", value, error), spuff_instance_size(machine),
         "size");
    TEXT(spuff_instance_set_status(machine, value, error), spuff_instance_status_word(machine),
         "word");
    CHECK(spuff_instance_status(machine) == SPUFF_STATUS_UNKNOWN, "no word that is known");
    SET(spuff_instance_set_status(machine, "running", error));
    CHECK(spuff_instance_status(machine) == SPUFF_STATUS_ACTIVE &&
              !spuff_instance_is_ready(machine),
          "it has no address");
    REFUSES(spuff_instance_add_address(machine, "nowhere", true, error), "ip");
    SET(spuff_instance_add_address(machine, "10.0.0.7", false, error));
    TELLS(spuff_instance_ip(machine), "0.0.0.0");
    SET(spuff_instance_add_address(machine, "2001:db8::7", true, error));
    TELLS(spuff_instance_ip(machine), "2001:db8::7");
    SET(spuff_instance_add_address(machine, "192.0.2.7", true, error));
    TELLS(spuff_instance_ip(machine), "192.0.2.7");
    TELLS(spuff_instance_address(machine, 1), "2001:db8::7");
    CHECK(spuff_instance_address_count(machine) == 3 && spuff_instance_is_ready(machine),
          "it is ready");
    CHECK(!spuff_instance_address_is_public(machine, 0) &&
              spuff_instance_address_is_public(machine, 2),
          "one is private");
    TEXT(spuff_instance_add_label(machine, "key", value, error),
         spuff_instance_label(machine, "key"), "value");
    SET(spuff_instance_add_label(machine, spuff_instance_label_key(machine, 0),
                                 spuff_instance_label_key(machine, 0), error));
    TELLS(spuff_instance_label_value(machine, 0), "key");
    CHECK(!spuff_instance_adopted(machine) && !spuff_instance_adopted(NULL), "it was made");
    SET(spuff_instance_set_adopted(machine, true, error));
    CHECK(spuff_instance_adopted(machine), "it was found");
    REFUSES(spuff_instance_set_created_at_ms(machine, INT64_MAX, error), "unix_ms");
    SET(spuff_instance_set_created_at_ms(machine, 1234, error));
    CHECK(spuff_instance_created_at_ms(machine) == 1234, "its time");
    spuff_instance_free(&machine);
}

static void snapshots(void) {
    spuff_snapshot *snapshot = NULL;
    REFUSES(spuff_snapshot_new("", "name", &snapshot, error), "id");
    SET(spuff_snapshot_new("7", "name", &snapshot, error));
    TELLS(spuff_snapshot_id(snapshot), "7");
    TELLS(spuff_snapshot_name(snapshot), "name");
    CHECK(spuff_snapshot_created_at_ms(snapshot) == -1, "it has no time");
    TEXT(spuff_snapshot_add_label(snapshot, "key", value, error),
         spuff_snapshot_label_value(snapshot, 0), "value");
    TELLS(spuff_snapshot_label_key(snapshot, 0), "key");
    CHECK(spuff_snapshot_label_count(snapshot) == 1 &&
              spuff_snapshot_label_key(snapshot, 1) == NULL,
          "one label");
    SET(spuff_snapshot_set_created_at_ms(snapshot, 0, error));
    CHECK(spuff_snapshot_created_at_ms(snapshot) == 0, "its time");
    spuff_snapshot_free(&snapshot);
}

static void errors(void) {
    static const struct {
        const char *name;
        const char *(*get)(const spuff_error *error);
    } texts[] = {
        {"provider", spuff_error_provider},           {"cloud_code", spuff_error_cloud_code},
        {"request_id", spuff_error_request_id},       {"resource_type", spuff_error_resource_type},
        {"resource_id", spuff_error_resource_id},     {"field", spuff_error_field},
        {"feature", spuff_error_feature},             {"operation", spuff_error_operation},
        {"key", spuff_error_key},                     {"name", spuff_error_name},
        {"instance_id", spuff_error_instance_id},
    };
    for (int32_t code = SPUFF_OK + 1; code <= SPUFF_INTERNAL; code++) {
        spuff_error *made = NULL;
        SET(spuff_error_new(code, "why", &made, error));
        CHECK(spuff_error_code(made) == code, "%s", spuff_code_name(code));
        TELLS(spuff_error_message(made), "why");
        for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
            const char *name = texts[at].name;
            CHECK(spuff_error_set_text(made, name, name) == SPUFF_OK &&
                      same(texts[at].get(made), name),
                  "%s", name);
            CHECK(spuff_error_set_text(made, texts[at].get(made), texts[at].get(made)) == SPUFF_OK,
                  "its own %s", name);
            CHECK(spuff_error_set_text(made, name, "else") == SPUFF_OK &&
                      same(texts[at].get(made), "else"),
                  "%s anew", name);
        }
        for (size_t at = 0; at < 2; at++) {
            CHECK(spuff_error_set_text(made, "candidate",
                                       at == 0 ? "a" : spuff_error_candidate(made, 0)) == SPUFF_OK,
                  "a");
            CHECK(spuff_error_set_text(made, "supported",
                                       at == 0 ? "b" : spuff_error_supported(made, 0)) == SPUFF_OK,
                  "b");
        }
        CHECK(spuff_error_candidate_count(made) == 2 && same(spuff_error_candidate(made, 1), "a"),
              "candidates");
        CHECK(spuff_error_supported_count(made) == 2 && same(spuff_error_supported(made, 1), "b"),
              "supported");
        CHECK(spuff_error_set_number(made, "status", 418) == SPUFF_OK &&
                  spuff_error_status(made) == 418,
              "status");
        CHECK(spuff_error_set_number(made, "status", 99) == SPUFF_INVALID_CONFIG &&
                  spuff_error_status(made) == 418,
              "status");
        CHECK(spuff_error_set_number(made, "status", 65536 + 404) == SPUFF_INVALID_CONFIG,
              "a status of 17 bits");
        CHECK(spuff_error_set_number(made, "retryable", 1) == SPUFF_OK &&
                  spuff_error_is_retryable(made),
              "retryable");
        CHECK(spuff_error_set_number(made, "retryable", 2) == SPUFF_INVALID_CONFIG, "it is 0 or 1");
        CHECK(spuff_error_set_number(made, "retryable", 0) == SPUFF_OK &&
                  !spuff_error_is_retryable(made),
              "not retryable");
        CHECK(spuff_error_set_number(made, "elapsed_ms", 7) == SPUFF_OK &&
                  spuff_error_elapsed_ms(made) == 7,
              "elapsed");
        CHECK(spuff_error_set_number(made, "retry_after_ms", UINT64_MAX) == SPUFF_OK,
              "retry_after");
        CHECK(spuff_error_retry_after_ms(made) == INT64_MAX, "as much as fits");
        CHECK(spuff_error_set_number(made, "nothing", 1) == SPUFF_INVALID_CONFIG, "no such number");
        CHECK(spuff_error_set_text(made, "nothing", "") == SPUFF_INVALID_CONFIG, "no such text");
        CHECK(strlen(spuff_error_text(made)) > 0, "a text");
        spuff_error_free(&made);
    }
}

static void lists(void) {
    spuff_error *error = NULL;
    spuff_strings *names = NULL;
    spuff_instances *machines = NULL;
    spuff_instance *machine = NULL;
    is_ok(spuff_registry_registered_providers(world.registry, &names, &error), &error, "names");
    size_t count = spuff_strings_count(names);
    CHECK(spuff_strings_push(names, spuff_strings_get(names, 0), NULL) == SPUFF_OK, "its own text");
    CHECK(same(spuff_strings_get(names, count), spuff_strings_get(names, 0)), "%s",
          shown(spuff_strings_get(names, count)));
    CHECK(spuff_strings_get(names, count + 1) == NULL, "there is no more");
    spuff_strings_free(&names);
    is_ok(spuff_provider_list_instances(world.provider, NULL, &machines, &error), &error,
          "machines");
    for (int at = 0; at < 100; at++) {
        char id[16];
        snprintf(id, sizeof id, "%d", at + 1);
        is_ok(spuff_instance_new(id, &machine, &error), &error, "machine");
        CHECK(spuff_instances_push(machines, &machine, &error) == SPUFF_OK && machine == NULL,
              "the list owns it");
        CHECK(spuff_instances_push(machines, &machine, &error) == SPUFF_INVALID_CONFIG,
              "it was taken");
        CHECK(same(spuff_error_field(error), "instance"), "%s", shown(spuff_error_field(error)));
        spuff_error_free(&error);
    }
    CHECK(spuff_instances_count(machines) == 100, "%zu", spuff_instances_count(machines));
    TELLS(spuff_instance_id(spuff_instances_get(machines, 99)), "100");
    spuff_instances_free(&machines);
}

/* A table that is refused is dropped all the same, and an older, shorter one is taken. */
static void tables(void) {
    static struct fake fake = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int dropped = 0;
    spuff_provider_vtable table = fake_vtable(&fake);
    table.create_instance = NULL;
    REFUSES(spuff_registry_register(world.registry, "attic", NULL, &table, error),
            "create_instance");
    CHECK(atomic_load(&fake.dropped) == ++dropped, "a function is missing: dropped %d times",
          atomic_load(&fake.dropped));
    table = fake_vtable(&fake);
    table.list_instances = NULL;
    REFUSES(spuff_registry_register(world.registry, "attic", NULL, &table, error),
            "list_instances");
    CHECK(atomic_load(&fake.dropped) == ++dropped, "a function is missing: dropped %d times",
          atomic_load(&fake.dropped));
    table = fake_vtable(&fake);
    table.size = offsetof(spuff_provider_vtable, wait_ready) - 1;
    REFUSES(spuff_registry_register(world.registry, "attic", NULL, &table, error), "vtable");
    CHECK(atomic_load(&fake.dropped) == ++dropped, "it is too short: dropped %d times",
          atomic_load(&fake.dropped));
    table = fake_vtable(&fake);
    REFUSES(spuff_registry_register(world.registry, " ", NULL, &table, error), "name");
    CHECK(atomic_load(&fake.dropped) == ++dropped, "it has no name: dropped %d times",
          atomic_load(&fake.dropped));
    REFUSES(spuff_registry_register(NULL, "attic", NULL, &table, error), "registry");
    CHECK(atomic_load(&fake.dropped) == ++dropped, "there is no registry: dropped %d times",
          atomic_load(&fake.dropped));
    size_t size = offsetof(spuff_provider_vtable, wait_ready);
    spuff_provider_vtable *older = malloc(size);
    NEED(older != NULL, "memory");
    memcpy(older, &table, size);
    memcpy(older, &size, sizeof size);
    SET(spuff_registry_register(world.registry, "attic", "an older one", older, error));
    free(older);
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_provider *provider = NULL;
    SET(spuff_registry_register(registry, "loft", NULL, &table, error));
    SET(spuff_registry_connect(registry, "loft", NULL, &provider, error));
    CHECK(atomic_load(&fake.dropped) == dropped, "both are used");
    spuff_registry_free(&registry);
    CHECK(atomic_load(&fake.dropped) == dropped, "the provider still uses it");
    spuff_provider_free(&provider);
    CHECK(atomic_load(&fake.dropped) == dropped + 1 && atomic_load(&fake.disconnected) == 1,
          "nobody uses it");
    SET(spuff_registry_register(world.registry, "attic", NULL, &table, error));
    CHECK(atomic_load(&fake.dropped) == dropped + 2, "another has taken its place");
}

/* Numbers that no clock and no calendar can hold. */
static void extremes(void) {
    static const char *const timeouts[] = {"instance_ready", "action_complete", "poll_interval",
                                           "http_request"};
    static const uint64_t ends[] = {0, 1, UINT64_MAX / 1000, (uint64_t)INT64_MAX, UINT64_MAX};
    spuff_error *error = NULL;
    for (size_t at = 0; at < sizeof ends / sizeof *ends; at++) {
        spuff_reap *which = spuff_reap_new();
        spuff_reaped *reaped = NULL;
        CHECK(spuff_reap_set_older_than_seconds(which, ends[at], NULL) == SPUFF_OK, "age");
        CHECK(spuff_reap_set_confirm_within_ms(which, ends[at], NULL) == SPUFF_OK, "confirm");
        spuff_cancel *cancel = spuff_cancel_with_deadline_ms(60000);
        spuff_code code = spuff_provider_reap(world.provider, which, cancel, NULL, &reaped, &error);
        CHECK(code != SPUFF_INTERNAL && code != SPUFF_TIMEOUT, "reap: %s",
              shown(spuff_error_text(error)));
        spuff_error_free(&error);
        spuff_reaped_free(&reaped);
        spuff_reap_free(&which);

        spuff_request *request = world_request("extreme");
        spuff_instance *machine = NULL;
        is_ok(spuff_request_set_ttl_seconds(request, ends[at], &error), &error, "lease");
        code = spuff_provider_create_instance(world.provider, request, cancel, &machine, &error);
        CHECK(code == SPUFF_OK || code == SPUFF_INVALID_CONFIG, "create: %s",
              shown(spuff_error_text(error)));
        spuff_error_free(&error);
        if (machine != NULL) {
            int64_t end = 0;
            code = spuff_provider_renew(world.provider, spuff_instance_id(machine), ends[at],
                                        cancel, &end, &error);
            CHECK(code == SPUFF_OK || (code == SPUFF_INVALID_CONFIG && end == -1), "renew: %s",
                  shown(spuff_error_text(error)));
            spuff_error_free(&error);
            is_ok(spuff_provider_destroy_instance(world.provider, spuff_instance_id(machine),
                                                  cancel, &error),
                  &error, "destroy");
        }
        spuff_instance_free(&machine);
        spuff_request_free(&request);
        spuff_cancel_free(&cancel);

        for (size_t which_one = 0; which_one < sizeof timeouts / sizeof *timeouts; which_one++) {
            spuff_config *config = NULL;
            spuff_provider *provider = NULL;
            spuff_instance *found = NULL;
            is_ok(spuff_cloud_config(world.cloud, WORLD_PROVIDER, &config, &error), &error,
                  "config");
            is_ok(spuff_config_set_timeout_ms(config, timeouts[which_one], ends[at], &error),
                  &error, timeouts[which_one]);
            is_ok(spuff_registry_connect(world.registry, WORLD_PROVIDER, config, &provider, &error),
                  &error, "connect");
            // With no time for a request there is never a reply.
            cancel = spuff_cancel_with_deadline_ms(2000);
            code = spuff_provider_wait_ready(provider, "987654321", cancel, NULL, &found, &error);
            bool plain = code == SPUFF_NOT_FOUND || code == SPUFF_TIMEOUT || code == SPUFF_NETWORK;
            CHECK(plain && found == NULL, "%s: %s", timeouts[which_one],
                  shown(spuff_error_text(error)));
            spuff_error_free(&error);
            spuff_cancel_free(&cancel);
            spuff_provider_free(&provider);
            spuff_config_free(&config);
        }
        spuff_cancel *limited = spuff_cancel_with_deadline_ms(ends[at]);
        CHECK(spuff_cancel_is_cancelled(limited) == (ends[at] == 0) || ends[at] == 1, "a deadline");
        spuff_cancel_cancel(limited);
        CHECK(spuff_cancel_wait(limited, ends[at]), "it is cancelled");
        spuff_cancel_free(&limited);
    }
}

/* Each field of what the behaviour suite is run on is looked at before anything is made. */
static void subjects(void) {
    spuff_request *request = world_request("subject");
    spuff_error *error = NULL;
    spuff_report *report = NULL;
    const spuff_subject whole = {
        .size = sizeof whole, .name = WORLD_PROVIDER, .request = request, .absent_id = "987654321"};
    const char *const fields[] = {"name", "request", "absent_id", "absent_id",
                                  "absent_snapshot_id"};
    for (size_t at = 0; at < sizeof fields / sizeof *fields; at++) {
        spuff_subject subject = whole;
        if (at == 0) subject.name = NULL;
        if (at == 1) subject.request = NULL;
        if (at == 2) subject.absent_id = NULL;
        if (at == 3) subject.absent_id = "\xff";
        if (at == 4) subject.absent_snapshot_id = "\xff";
        spuff_code code = spuff_conformance_check(world.registry, &subject, NULL, &report, &error);
        CHECK(code == SPUFF_INVALID_CONFIG && report == NULL, "%s: %s", fields[at],
              spuff_code_name(code));
        CHECK(same(spuff_error_field(error), fields[at]), "%s in place of %s",
              shown(spuff_error_field(error)), fields[at]);
        spuff_error_free(&error);
    }
    spuff_subject unknown = whole;
    unknown.name = "shack";
    CHECK(spuff_conformance_check(world.registry, &unknown, NULL, &report, &error) ==
              SPUFF_UNKNOWN_PROVIDER,
          "unknown");
    spuff_error_free(&error);
    spuff_request_free(&request);
}

int main(void) {
    world = world_open(1000.0);
    configs();
    requests();
    machines();
    snapshots();
    errors();
    lists();
    tables();
    subjects();
    extremes();
    world_is_empty(&world);
    world_close(&world);
    return verdict("handles");
}

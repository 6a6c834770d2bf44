/* What the calls that robustness.py writes stand on: one maker for each type of handle, and how an
 * answer is judged. */
#ifndef SPUFF_TEST_FACTORY_H
#define SPUFF_TEST_FACTORY_H

#include <limits.h>

#include "fake_provider.h"

enum what {
    VALID, IS_NULL, EMPTIED, BAD_UTF8, EMPTY, HUGE_TEXT, NUMBER, TOO_SMALL, TOO_LARGE, NEWER,
    UNKNOWN_FIELD, ALL_NULL, ALL_BUT_ERROR
};
/* FINE: success, or something to tell. REFUSED: SPUFF_INVALID_CONFIG. MISSING: nothing to tell.
 * ANY: all but a crash. */
enum expected { FINE, REFUSED, MISSING, ANY };

/* One call: which function, what is wrong with which argument, and what must come of it. */
struct test {
    void (*call)(const struct test *test);
    const char *name;
    enum what what;
    int at;
    uint64_t number;
    enum expected expected;
    const char *field;
};

static struct world world;
static struct fake fake = {.lock = PTHREAD_MUTEX_INITIALIZER};
static char *huge;
static spuff_placed *attempted;
static spuff_request *asked_for;
static const char poison;
#define POISON ((void *)(uintptr_t)&poison)
static char machine_id[64], absent_id[] = "987654321";
static pthread_mutex_t delivered_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t delivered_signal = PTHREAD_COND_INITIALIZER;
static long calls, delivered;

static void worked(spuff_code code, spuff_error **error, const char *what) {
    NEED(is_ok(code, error, what), "the tests cannot be set up");
}

static spuff_cancel *make_cancel(void) {
    return spuff_cancel_with_deadline_ms(120000);
}

/* For a call that would block until its limit. */
static spuff_cancel *make_cancelled(void) {
    spuff_cancel *cancel = spuff_cancel_new();
    spuff_cancel_cancel(cancel);
    return cancel;
}

static void on_cancel(void *user_data);

static spuff_notice *make_notice(void) {
    spuff_cancel *cancel = make_cancel();
    spuff_notice *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_cancel_notify(cancel, on_cancel, &delivered, &made, &error), &error, "notice");
    spuff_cancel_free(&cancel);
    return made;
}

static spuff_cloud *make_cloud(void) {
    spuff_cloud *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_cloud_start(NULL, &made, &error), &error, "cloud");
    return made;
}

static spuff_config *make_config(void) {
    spuff_config *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_cloud_config(world.cloud, WORLD_PROVIDER, &made, &error), &error, "config");
    worked(spuff_config_set_timeout_ms(made, "poll_interval", 20, &error), &error, "poll_interval");
    return made;
}

static spuff_config *make_full_config(void) {
    spuff_config *made = make_config();
    spuff_error *error = NULL;
    worked(spuff_config_set_ca_file(made, "/nowhere.pem", &error), &error, "ca_file");
    worked(spuff_config_set_region(made, WORLD_REGION, &error), &error, "region");
    worked(spuff_config_set_option(made, "option", "value", &error), &error, "option");
    return made;
}

static spuff_registry *make_registry(void) {
    spuff_registry *made = spuff_registry_with_defaults();
    spuff_provider_vtable vtable = fake_vtable(&fake);
    spuff_error *error = NULL;
    worked(spuff_registry_register(made, "fake", NULL, &vtable, &error), &error, "register");
    return made;
}

static spuff_description *make_description(void) {
    spuff_description *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_registry_describe(world.registry, WORLD_PROVIDER, &made, &error), &error,
           "describe");
    return made;
}

static spuff_error *make_error(void) {
    static const char *const texts[] = {"provider",    "cloud_code", "request_id",  "resource_type",
                                        "resource_id", "field",      "feature",     "operation",
                                        "key",         "name",       "instance_id", "candidate",
                                        "supported"};
    spuff_error *made = NULL, *error = NULL;
    worked(spuff_error_new(SPUFF_UNKNOWN_OUTCOME, "nobody knows", &made, &error), &error, "error");
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        NEED(spuff_error_set_text(made, texts[at], texts[at]) == SPUFF_OK, "%s", texts[at]);
    }
    NEED(spuff_error_set_number(made, "status", 503) == SPUFF_OK, "status");
    return made;
}

static spuff_instance *make_instance(void) {
    const struct fake_machine machine = {
        .id = "fake-0", .name = "full", .labels = {{"key", "value"}}, .label_count = 1};
    return fake_handle(&machine);
}

static spuff_provider *make_provider(void) {
    spuff_provider *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_registry_connect(world.registry, WORLD_PROVIDER, world.config, &made, &error),
           &error, "connect");
    return made;
}

static spuff_instances *make_instances(void) {
    spuff_instances *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_provider_list_instances(world.provider, NULL, &made, &error), &error, "list");
    return made;
}

static spuff_request *make_request(void) {
    char name[32];
    static unsigned last;
    snprintf(name, sizeof name, "robust-%u", ++last);
    return world_request(name);
}

/* It lives as long as the tests. */
static const spuff_request *asked(void) {
    if (asked_for == NULL) {
        asked_for = make_request();
    }
    return asked_for;
}

static spuff_placement *make_placement(void) {
    spuff_placement *made = spuff_placement_new();
    spuff_error *error = NULL;
    worked(spuff_placement_add(made, world.provider, WORLD_REGION, WORLD_SIZE, NULL, NULL, &error),
           &error, "candidate");
    worked(spuff_placement_set_max_price(made, "1 EUR", &error), &error, "max_price");
    return made;
}

static spuff_price *make_price(void) {
    spuff_price *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_provider_hourly_price(world.provider, WORLD_REGION, WORLD_SIZE, NULL, &made,
                                       &error),
           &error, "price");
    return made;
}

static spuff_outcomes *make_outcomes(void) {
    spuff_placement *placement = make_placement();
    spuff_request *request = make_request();
    const spuff_request *requests[] = {request};
    spuff_outcomes *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_place_instances(placement, requests, 1, NULL, NULL, NULL, &made, &error), &error,
           "outcomes");
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    return made;
}

static spuff_placed *make_placed(void) {
    spuff_placement *placement = make_placement();
    spuff_request *request = make_request();
    spuff_placed *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_place_instance(placement, request, NULL, NULL, &made, &error), &error, "placed");
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    return made;
}

/* They live as long as the tests. */
static const spuff_attempts *make_attempts(void) {
    if (attempted == NULL) {
        attempted = make_placed();
    }
    return spuff_placed_attempts(attempted);
}

static spuff_reap *make_reap(void) {
    spuff_reap *made = spuff_reap_new();
    NEED(spuff_reap_set_owner(made, "nobody", NULL) == SPUFF_OK, "owner");
    NEED(spuff_reap_set_confirm_within_ms(made, 1000, NULL) == SPUFF_OK, "confirm_within");
    return made;
}

static spuff_reaped *make_reaped(void) {
    spuff_reap *which = spuff_reap_new();
    spuff_reaped *made = NULL;
    spuff_error *error = NULL;
    NEED(spuff_reap_set_owner(which, "robust", NULL) == SPUFF_OK &&
             spuff_reap_set_dry_run(which, true, NULL) == SPUFF_OK,
         "reap");
    worked(spuff_provider_reap(world.provider, which, NULL, NULL, &made, &error), &error, "reap");
    spuff_reap_free(&which);
    return made;
}

static spuff_request *make_full_request(void) {
    spuff_request *made = make_request();
    spuff_error *error = NULL;
    worked(spuff_request_set_user_data(made, "#!/bin/sh", &error), &error, "user_data");
    worked(spuff_request_add_label(made, "key", "value", &error), &error, "label");
    worked(spuff_request_add_ssh_key(made, "key", &error), &error, "ssh_key");
    worked(spuff_request_set_idempotency_key(made, "key", &error), &error, "idempotency_key");
    worked(spuff_request_set_owner(made, "robust", &error), &error, "owner");
    worked(spuff_request_set_ttl_seconds(made, 60, &error), &error, "ttl");
    return made;
}

static spuff_report *make_report(void) {
    spuff_registry *registry = make_registry();
    spuff_request *request = make_request();
    spuff_cancel *cancel = make_cancelled();
    spuff_report *made = NULL;
    spuff_error *error = NULL;
    const spuff_subject subject = {
        .size = sizeof subject, .name = "fake", .request = request, .absent_id = "absent"};
    worked(spuff_conformance_check(registry, &subject, cancel, &made, &error), &error, "report");
    spuff_cancel_free(&cancel);
    spuff_request_free(&request);
    spuff_registry_free(&registry);
    return made;
}

static spuff_resources *make_resources(void) {
    spuff_resources *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_cloud_instances(world.cloud, &made, &error), &error, "resources");
    return made;
}

static spuff_strings *make_strings(void) {
    spuff_strings *made = NULL;
    spuff_error *error = NULL;
    worked(spuff_registry_registered_providers(world.registry, &made, &error), &error, "strings");
    return made;
}

static bool absent(const struct test *test, int at) {
    bool others = test->what == ALL_BUT_ERROR && test->at != at;
    return test->what == ALL_NULL || others || (test->what == IS_NULL && test->at == at);
}

static bool is_at(const struct test *test, enum what what, int at) {
    return test->what == what && test->at == at;
}

static const char *text_at(const struct test *test, int at, const char *valid) {
    if (absent(test, at)) return NULL;
    if (is_at(test, BAD_UTF8, at)) return "\xff\xfe";
    if (is_at(test, EMPTY, at)) return "";
    return is_at(test, HUGE_TEXT, at) ? huge : valid;
}

static const char *element_at(const struct test *test, int at, const char *valid) {
    return is_at(test, EMPTIED, at) ? NULL : text_at(test, at, valid);
}

static uint64_t number_at(const struct test *test, int at, uint64_t valid) {
    return is_at(test, NUMBER, at) ? test->number : valid;
}

/* The size that a struct says it has: as it is now, or as in a newer header, with something behind
 * what is known. */
static size_t size_at(const struct test *test, int at, size_t now, size_t newer) {
    if (is_at(test, TOO_SMALL, at)) return sizeof(size_t);
    if (is_at(test, TOO_LARGE, at)) return SIZE_MAX;
    return is_at(test, NEWER, at) || is_at(test, UNKNOWN_FIELD, at) ? newer : now;
}

/* Judges the code of a call and the error that came with it; `asked` is whether there was room for
 * one. */
static void judge(const struct test *test, spuff_code code, bool asked, const spuff_error *error) {
    calls++;
    CHECK(code >= SPUFF_OK && code < SPUFF_INTERNAL, "%s gives the code %d", test->name, (int)code);
    CHECK(test->expected != FINE || code == SPUFF_OK, "%s: %s", test->name, spuff_code_name(code));
    CHECK(test->expected != REFUSED || code == SPUFF_INVALID_CONFIG, "%s: %s", test->name,
          spuff_code_name(code));
    if (!asked) return;
    CHECK((error == NULL) == (code == SPUFF_OK) && error != POISON,
          "%s: an error exactly with a code", test->name);
    if (error == NULL || error == POISON) return;
    const char *field = spuff_error_field(error);
    CHECK(spuff_error_code(error) == code, "%s: the error has its code", test->name);
    CHECK(spuff_error_text(error) != NULL && *spuff_error_text(error) != '\0',
          "%s: the error has a text", test->name);
    if (test->expected == REFUSED) {
        bool right = test->field == NULL ? field != NULL : same(field, test->field);
        CHECK(right, "%s: the field is %s in place of %s", test->name, shown(field),
              shown(test->field));
    }
}

/* Judges what was put in *out by a call that had room for it. */
static void judge_out(const struct test *test, spuff_code code, const void *out,
                      bool may_be_nothing) {
    CHECK(out != POISON, "%s: *out was not written", test->name);
    bool right = code == SPUFF_OK ? out != NULL || may_be_nothing : out == NULL;
    CHECK(right, "%s: with %s, *out is %sNULL", test->name, spuff_code_name(code),
          out == NULL ? "" : "not ");
}

static void judge_pointer(const struct test *test, const void *got) {
    calls++;
    CHECK(test->expected != MISSING || got == NULL, "%s: something is told", test->name);
    CHECK(test->expected != FINE || got != NULL, "%s: nothing is told", test->name);
}

/* Reads all of a text, so that one that is gone is seen. */
static void judge_text(const struct test *test, const char *got) {
    judge_pointer(test, got);
    CHECK(got == NULL || strlen(got) <= 4u << 20, "%s: no text", test->name);
}

static void judge_number(const struct test *test, int64_t got, int64_t missing) {
    calls++;
    CHECK(test->expected != MISSING || got == missing, "%s: %lld is told", test->name,
          (long long)got);
}

static void arrived(void *user_data, spuff_code code, const spuff_error *error) {
    CHECK(user_data == NULL || user_data == &delivered, "the callback has its user data");
    CHECK((error == NULL) == (code == SPUFF_OK) && code != SPUFF_INTERNAL, "callback: %s",
          shown(spuff_error_text(error)));
    pthread_mutex_lock(&delivered_lock);
    delivered++;
    pthread_cond_broadcast(&delivered_signal);
    pthread_mutex_unlock(&delivered_lock);
}

/* Waits for the callback of a call that was accepted. */
static void await_delivery(spuff_code code, long before) {
    pthread_mutex_lock(&delivered_lock);
    while (delivered < before + (code == SPUFF_OK)) {
        pthread_cond_wait(&delivered_signal, &delivered_lock);
    }
    pthread_mutex_unlock(&delivered_lock);
}

static void on_done(void *user_data, spuff_code code, spuff_error *error) {
    arrived(user_data, code, error);
    spuff_error_free(&error);
}

/* Deletes a snapshot that a call has made: one with a huge name would make every list slow. */
static void drop_snapshot(const spuff_snapshot *made) {
    if (made != NULL && made != POISON) {
        spuff_error *error = NULL;
        is_ok(spuff_provider_delete_snapshot(world.provider, spuff_snapshot_id(made), NULL, &error),
              &error, "delete");
    }
}

#define ON_RESULT(type)                                                                            \
    static void on_##type(void *user_data, spuff_code code, spuff_##type *made,                    \
                          spuff_error *error) {                                                    \
        CHECK(code == SPUFF_OK || made == NULL, "an error comes alone");                           \
        if (same(#type, "snapshot")) drop_snapshot((const void *)made);                            \
        spuff_##type##_free(&made);                                                                \
        on_done(user_data, code, error);                                                           \
    }
ON_RESULT(instance)
ON_RESULT(instances)
ON_RESULT(outcomes)
ON_RESULT(placed)
ON_RESULT(price)
ON_RESULT(strings)
ON_RESULT(reaped)

#include "zz_nouns.h"

static void on_time(void *user_data, spuff_code code, int64_t unix_ms, spuff_error *error) {
    CHECK((code == SPUFF_OK) == (unix_ms >= 0), "a time, or an error");
    on_done(user_data, code, error);
}

static void on_cancel(void *user_data) {
    CHECK(user_data == NULL || user_data == &delivered, "the callback has its user data");
}

static void on_log(void *user_data, spuff_log_level level, const char *target,
                   const char *message) {
    (void)user_data;
    CHECK(level > SPUFF_LOG_LEVEL_OFF && target != NULL && message != NULL, "a line of the log");
}

static void on_progress(void *user_data, const spuff_progress *progress) {
    CHECK(user_data == &delivered && progress->operation != NULL && progress->state != NULL,
          "progress");
}

/* Points spuff_registry_from_env at the clouds. */
static void set_environment(void) {
    spuff_strings *variables = NULL;
    spuff_error *error = NULL;
    worked(spuff_cloud_environment(world.cloud, &variables, &error), &error, "environment");
    for (size_t at = 0; at < spuff_strings_count(variables); at++) {
        const char *variable = spuff_strings_get(variables, at), *equals = strchr(variable, '=');
        char name[64] = "";
        NEED(equals != NULL && (size_t)(equals - variable) < sizeof name, "%s", variable);
        memcpy(name, variable, (size_t)(equals - variable));
        setenv(name, equals + 1, 1);
    }
    spuff_strings_free(&variables);
}

/* Clouds with a machine and a snapshot for all calls to talk about. */
static void set_up(void) {
    spuff_error *error = NULL;
    spuff_instance *machine = NULL;
    spuff_snapshot *snapshot = NULL;
    world = world_open(1000.0);
    set_environment();
    huge = malloc((1u << 20) + 1);
    NEED(huge != NULL, "memory");
    memset(huge, 'x', 1u << 20);
    huge[1u << 20] = '\0';
    spuff_request *request = make_request();
    worked(spuff_request_set_owner(request, "robust", &error), &error, "owner");
    worked(spuff_provider_create_and_wait(world.provider, request, 0, NULL, NULL, &machine, &error),
           &error, "machine");
    snprintf(machine_id, sizeof machine_id, "%s", spuff_instance_id(machine));
    worked(spuff_provider_create_snapshot(world.provider, machine_id, "robust", NULL, NULL,
                                          &snapshot, &error),
           &error, "snapshot");
    spuff_request_free(&request);
    spuff_instance_free(&machine);
    spuff_snapshot_free(&snapshot);
}

/* Ends what the calls have made; then nothing may be left. */
static void tear_down(void) {
    spuff_error *error = NULL;
    spuff_instances *machines = make_instances();
    for (size_t at = 0; at < spuff_instances_count(machines); at++) {
        const char *id = spuff_instance_id(spuff_instances_get(machines, at));
        is_ok(spuff_provider_destroy_instance(world.provider, id, NULL, &error), &error, id);
    }
    spuff_instances_free(&machines);
    spuff_snapshots *snapshots = NULL;
    worked(spuff_provider_list_snapshots(world.provider, NULL, &snapshots, &error), &error, "list");
    for (size_t at = 0; at < spuff_snapshots_count(snapshots); at++) {
        const char *id = spuff_snapshot_id(spuff_snapshots_get(snapshots, at));
        is_ok(spuff_provider_delete_snapshot(world.provider, id, NULL, &error), &error, id);
    }
    spuff_snapshots_free(&snapshots);
    world_is_empty(&world);
    world_close(&world);
    spuff_placed_free(&attempted);
    free(huge);
    CHECK(atomic_load(&fake.connected) == atomic_load(&fake.disconnected),
          "what the table connected is disconnected");
    CHECK(fake_count(&fake) == 0, "the fake is empty");
}

#endif

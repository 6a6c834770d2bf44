/* Fleets of twenty machines at each of the clouds, all clouds at once: whole, with failures in the
 * middle, and cancelled half-way. Nothing is left of any. */
#include <pthread.h>

#include "world.h"

#define FLEET 20
#define STUCK 7
#define SOLD_OUT 11

/* One of the clouds, with a provider on it. */
struct account {
    const char *name, *region, *size;
    spuff_cloud *cloud;
    spuff_provider *provider;
    pthread_t thread;
};

/* What an observer was told: of each machine how far it is, and of how many it was told so. */
struct tally {
    int phases[FLEET];
    int counts[SPUFF_PHASE_FAILED + 1];
    const char *prefix;
    spuff_cancel *cancel;
    int cancel_after;
};

static void on_progress(void *user_data, const spuff_progress *seen) {
    struct tally *tally = user_data;
    NEED(seen->size >= sizeof *seen && seen->index >= 0 && seen->index < FLEET, "index %lld",
         (long long)seen->index);
    NEED(seen->phase >= SPUFF_PHASE_PENDING && seen->phase <= SPUFF_PHASE_FAILED, "phase %d",
         (int)seen->phase);
    static const char *const words[] = {"pending", "accepted",  "booting",
                                        "ready",   "destroyed", "failed"};
    CHECK(same(seen->phase_word, words[seen->phase]), "%s", shown(seen->phase_word));
    if (tally->prefix != NULL) {
        char name[64];
        snprintf(name, sizeof name, "%s-%d", tally->prefix, (int)seen->index);
        CHECK(same(seen->name, name), "%s is not %s", shown(seen->name), name);
    } else {
        CHECK(same(seen->name, ""), "no names were given: %s", shown(seen->name));
    }
    bool has_machine = seen->phase == SPUFF_PHASE_ACCEPTED || seen->phase == SPUFF_PHASE_READY;
    CHECK((seen->instance != NULL) == has_machine,
          "a machine exactly where it was accepted or is ready: %s", shown(seen->phase_word));
    CHECK(seen->instance == NULL || same(spuff_instance_id(seen->instance), seen->id),
          "the machine of that id");
    CHECK(seen->phase != SPUFF_PHASE_READY || spuff_instance_is_ready(seen->instance),
          "it is ready");
    if (seen->phase == SPUFF_PHASE_PENDING) {
        return;  /* It is no further: its end is waited for. */
    }
    int *phase = &tally->phases[seen->index];
    CHECK(*phase <= SPUFF_PHASE_READY && seen->phase >= *phase, "after %d comes %d", *phase,
          (int)seen->phase);
    tally->counts[seen->phase] += *phase != seen->phase;
    *phase = seen->phase;
    if (tally->cancel != NULL && tally->counts[SPUFF_PHASE_ACCEPTED] == tally->cancel_after) {
        spuff_cancel_cancel(tally->cancel);
    }
}

static spuff_observer observer_of(struct tally *tally) {
    return (spuff_observer){
        .size = sizeof(spuff_observer), .progress = on_progress, .user_data = tally};
}

/* The outcomes of a call that was submitted. */
struct delivery {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int times;
    spuff_code code;
    spuff_outcomes *outcomes;
    spuff_error *error;
};

#define DELIVERY {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER}

static void on_outcomes(void *user_data, spuff_code code, spuff_outcomes *outcomes,
                        spuff_error *error) {
    struct delivery *delivery = user_data;
    pthread_mutex_lock(&delivery->lock);
    delivery->times++;
    delivery->code = code;
    delivery->outcomes = outcomes;
    delivery->error = error;
    pthread_cond_signal(&delivery->came);
    pthread_mutex_unlock(&delivery->lock);
}

static void await(struct delivery *delivery) {
    pthread_mutex_lock(&delivery->lock);
    while (delivery->times == 0) {
        pthread_cond_wait(&delivery->came, &delivery->lock);
    }
    pthread_mutex_unlock(&delivery->lock);
    CHECK(delivery->times == 1, "a callback is called once");
}

/* Requests, and the array of them. */
struct wanted {
    spuff_request *own[FLEET];
    const spuff_request *all[FLEET];
};

/* Requests that are alike may share a call; those that are unlike have one each, of which a fault
 * strikes a single one. */
static struct wanted want(const struct account *account, const char *prefix, bool unlike) {
    struct wanted wanted;
    for (int at = 0; at < FLEET; at++) {
        char name[64];
        spuff_error *error = NULL;
        snprintf(name, sizeof name, "%s-%d", prefix, at);
        spuff_code code =
            spuff_request_new(name, account->region, account->size, &wanted.own[at], &error);
        NEED(is_ok(code, &error, "request"), "no request");
        if (unlike) {
            is_ok(spuff_request_add_label(wanted.own[at], "part", name, &error), &error, "label");
        }
        wanted.all[at] = wanted.own[at];
    }
    return wanted;
}

static void wanted_free(struct wanted *wanted) {
    for (int at = 0; at < FLEET; at++) {
        spuff_request_free(&wanted->own[at]);
    }
}

/* How many machines exist there that have not been told to end. */
static int living(const struct account *account) {
    spuff_error *error = NULL;
    spuff_resources *machines = NULL;
    int count = 0;
    is_ok(spuff_cloud_instances(account->cloud, &machines, &error), &error, "instances");
    for (size_t at = 0; at < spuff_resources_count(machines); at++) {
        count += same(spuff_resources_provider(machines, at), account->name) &&
                 !spuff_resources_is_ending(machines, at);
    }
    spuff_resources_free(&machines);
    return count;
}

static void is_empty(const struct account *account, const char *after) {
    spuff_error *error = NULL;
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    CHECK(living(account) == 0, "%s, after %s: %d machines are left", account->name, after,
          living(account));
}

/* Destroys all that is known of these outcomes: machines, and those of errors. */
static void destroy_all(const struct account *account, const spuff_outcomes *outcomes,
                        const char *after) {
    const char *ids[FLEET];
    size_t count = 0;
    spuff_error *error = NULL;
    spuff_outcomes *ends = NULL;
    for (size_t at = 0; at < spuff_outcomes_count(outcomes); at++) {
        const spuff_error *failure = spuff_outcomes_error(outcomes, at);
        const char *id = failure == NULL ? spuff_instance_id(spuff_outcomes_instance(outcomes, at))
                                         : spuff_error_instance_id(failure);
        if (id != NULL) {
            ids[count++] = id;
        }
    }
    is_ok(spuff_provider_destroy_instances(account->provider, ids, count, 0, NULL, NULL, &ends,
                                           &error),
          &error, "destroy");
    for (size_t at = 0; at < count; at++) {
        CHECK(spuff_outcomes_error(ends, at) == NULL, "%s: %s", ids[at],
              shown(spuff_error_text(spuff_outcomes_error(ends, at))));
    }
    CHECK(spuff_outcomes_count(ends) == count, "an outcome for each id");
    spuff_outcomes_free(&ends);
    is_empty(account, after);
}

/* All goes well: created and awaited by one call, watched by another, destroyed by a third. */
static void whole(const struct account *account) {
    struct wanted wanted = want(account, "whole", false);
    struct tally made = {.prefix = "whole"}, watched = {0}, gone = {0};
    spuff_fleet_options options = {.size = sizeof options, .concurrency = 8, .wait_ready = true};
    spuff_observer observer = observer_of(&made);
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    spuff_code code = spuff_provider_create_instances(account->provider, wanted.all, FLEET,
                                                      &options, NULL, &observer, &outcomes, &error);
    is_ok(code, &error, "create_instances");
    wanted_free(&wanted);
    NEED(spuff_outcomes_count(outcomes) == FLEET, "an outcome for each request");
    CHECK(made.counts[SPUFF_PHASE_ACCEPTED] == FLEET && made.counts[SPUFF_PHASE_READY] == FLEET,
          "all were told of");
    const char *ids[FLEET];
    for (int at = 0; at < FLEET; at++) {
        const spuff_instance *machine = spuff_outcomes_instance(outcomes, (size_t)at);
        char name[64];
        snprintf(name, sizeof name, "whole-%d", at);
        CHECK(spuff_outcomes_error(outcomes, (size_t)at) == NULL &&
                  spuff_instance_is_ready(machine),
              "%s is ready", name);
        CHECK(same(spuff_instance_name(machine), name), "in the order of the requests: %s",
              shown(spuff_instance_name(machine)));
        ids[at] = spuff_instance_id(machine);
    }
    CHECK(spuff_outcomes_instance(outcomes, FLEET) == NULL &&
              spuff_outcomes_error(outcomes, FLEET) == NULL,
          "past the last");

    struct delivery looked = DELIVERY, ended = DELIVERY;
    observer.user_data = &watched;
    code = spuff_provider_wait_ready_many_submit(account->provider, ids, FLEET, NULL, &observer,
                                                 on_outcomes, &looked, &error);
    is_ok(code, &error, "wait_ready_many_submit");
    await(&looked);
    is_ok(looked.code, &looked.error, "wait_ready_many");
    for (size_t at = 0; at < FLEET; at++) {
        CHECK(same(spuff_instance_id(spuff_outcomes_instance(looked.outcomes, at)), ids[at]),
              "%s is awaited", ids[at]);
    }
    CHECK(watched.counts[SPUFF_PHASE_READY] == FLEET, "all are told of: %d",
          watched.counts[SPUFF_PHASE_READY]);

    observer.user_data = &gone;
    code = spuff_provider_destroy_instances_submit(account->provider, ids, FLEET, 4, NULL,
                                                   &observer, on_outcomes, &ended, &error);
    is_ok(code, &error, "destroy_instances_submit");
    await(&ended);
    is_ok(ended.code, &ended.error, "destroy_instances");
    for (size_t at = 0; at < FLEET; at++) {
        CHECK(spuff_outcomes_error(ended.outcomes, at) == NULL &&
                  spuff_outcomes_instance(ended.outcomes, at) == NULL,
              "%s is gone", ids[at]);
    }
    CHECK(gone.counts[SPUFF_PHASE_DESTROYED] == FLEET, "all are told of: %d",
          gone.counts[SPUFF_PHASE_DESTROYED]);
    spuff_outcomes_free(&ended.outcomes);
    spuff_outcomes_free(&looked.outcomes);
    spuff_outcomes_free(&outcomes);
    is_empty(account, "a whole fleet");
}

/* The fault strikes one create of a fleet. */
static void strike(const struct account *account, const char *fault, int which) {
    char rule[160];
    spuff_error *error = NULL;
    uint64_t number = 0;
    snprintf(rule, sizeof rule,
             "{\"fault\": \"%s\", \"provider\": \"%s\", \"route\": \"create_instance\", "
             "\"skip\": %d, \"times\": 1}",
             fault, account->name, which);
    is_ok(spuff_cloud_inject(account->cloud, rule, &number, &error), &error, rule);
}

/* One create in the middle is refused and, but where all are destroyed, one machine never becomes
 * ready. */
static void broken(const struct account *account, spuff_rollback on_failure, const char *what) {
    struct wanted wanted = want(account, what, true);
    struct tally tally = {.prefix = what};
    spuff_fleet_options options = {
        .size = sizeof options, .concurrency = 4, .on_failure = on_failure, .wait_ready = true};
    spuff_observer observer = observer_of(&tally);
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    bool all = on_failure == SPUFF_ROLLBACK_DESTROY_ALL, keep = on_failure == SPUFF_ROLLBACK_KEEP;
    /* A rule counts only what no earlier one strikes. */
    strike(account, "capacity_out", SOLD_OUT);
    if (!all) {
        strike(account, "stuck_creating", STUCK);
    }
    spuff_code code = spuff_provider_create_instances(account->provider, wanted.all, FLEET,
                                                      &options, NULL, &observer, &outcomes, &error);
    is_ok(code, &error, "create_instances");
    wanted_free(&wanted);
    NEED(spuff_outcomes_count(outcomes) == FLEET, "an outcome for each request");
    int refused = 0, stuck = 0, ready = 0, others = 0;
    for (size_t at = 0; at < FLEET; at++) {
        const spuff_error *failure = spuff_outcomes_error(outcomes, at);
        const spuff_instance *machine = spuff_outcomes_instance(outcomes, at);
        CHECK((failure == NULL) == (machine != NULL), "either a machine or an error");
        CHECK(failure == NULL || same(spuff_error_provider(failure), account->name),
              "an error names the provider");
        int exists = failure == NULL ? -1 : spuff_error_instance_exists(failure);
        if (failure == NULL) {
            ready += spuff_instance_is_ready(machine);
        } else if (spuff_error_code(failure) == SPUFF_CAPACITY) {
            refused++;
            CHECK(spuff_error_instance_id(failure) == NULL, "nothing was made: %s",
                  spuff_error_text(failure));
        } else if (spuff_error_code(failure) == SPUFF_TIMEOUT) {
            stuck++;
            CHECK(spuff_error_instance_id(failure) != NULL && exists == keep, "kept or not: %s",
                  spuff_error_text(failure));
        } else {
            others++;
            CHECK(spuff_error_code(failure) == SPUFF_CANCELLED, "%s", spuff_error_text(failure));
            CHECK(spuff_error_instance_id(failure) == NULL || exists == 0, "it is destroyed: %s",
                  spuff_error_text(failure));
        }
    }
    CHECK(refused == 1 && stuck == !all, "%s, %s: %d refused, %d stuck", account->name, what,
          refused, stuck);
    CHECK(ready == (all ? 0 : FLEET - 2) && others == (all ? FLEET - 1 : 0),
          "%s, %s: %d ready, %d others", account->name, what, ready, others);
    CHECK(living(account) == (all ? 0 : keep ? FLEET - 1 : FLEET - 2), "%s, %s: %d live",
          account->name, what, living(account));
    int told = tally.counts[SPUFF_PHASE_FAILED];
    CHECK(told == (all ? FLEET : 2), "%s, %s: %d are told to have failed", account->name, what,
          told);
    destroy_all(account, outcomes, what);
    spuff_outcomes_free(&outcomes);
}

/* A machine that serves under its key is found by a fleet that is rolled back, and left. */
static void found(const struct account *account) {
    spuff_request *wanted[2] = {NULL, NULL};
    spuff_instance *first = NULL;
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    for (int at = 0; at < 2; at++) {
        const char *name = at == 0 ? "serving" : "one-more";
        is_ok(spuff_request_new(name, account->region, account->size, &wanted[at], &error), &error,
              "request");
        is_ok(spuff_request_set_idempotency_key(wanted[at], name, &error), &error, "key");
    }
    is_ok(spuff_provider_create_instance(account->provider, wanted[0], NULL, &first, &error),
          &error, "create_instance");
    CHECK(!spuff_instance_adopted(first), "it was made");
    pause_ms(100);
    spuff_instance *again = NULL;
    is_ok(spuff_provider_create_instance(account->provider, wanted[0], NULL, &again, &error),
          &error, "create_instance");
    CHECK(spuff_instance_adopted(again) && same(spuff_instance_id(again), spuff_instance_id(first)),
          "it was found");
    spuff_instance_free(&again);

    strike(account, "quota_reached", 0);
    spuff_fleet_options options = {
        .size = sizeof options, .on_failure = SPUFF_ROLLBACK_DESTROY_ALL, .wait_ready = true};
    const spuff_request *all[] = {wanted[0], wanted[1]};
    spuff_code code = spuff_provider_create_instances(account->provider, all, 2, &options, NULL,
                                                      NULL, &outcomes, &error);
    is_ok(code, &error, "create_instances");
    CHECK(spuff_error_code(spuff_outcomes_error(outcomes, 1)) == SPUFF_QUOTA_EXCEEDED,
          "one more is refused");
    const spuff_error *left = spuff_outcomes_error(outcomes, 0);
    CHECK(left != NULL && same(spuff_error_instance_id(left), spuff_instance_id(first)) &&
              spuff_error_instance_exists(left) == 1,
          "%s", shown(spuff_error_text(left)));
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    CHECK(living(account) == 1, "%s: %d live", account->name, living(account));
    is_ok(spuff_provider_destroy_instance(account->provider, spuff_instance_id(first), NULL,
                                          &error),
          &error, "destroy");
    spuff_outcomes_free(&outcomes);
    spuff_instance_free(&first);
    for (int at = 0; at < 2; at++) {
        spuff_request_free(&wanted[at]);
    }
    is_empty(account, "a machine that was found");
}

/* Cancelled by its observer when half of them are accepted. */
static void cancelled(const struct account *account) {
    struct wanted wanted = want(account, "half", true);
    spuff_fleet_options options = {.size = sizeof options, .concurrency = 2,
                                   .on_failure = SPUFF_ROLLBACK_KEEP, .wait_ready = true};
    for (int submits = 0; submits < 2; submits++) {
        struct tally tally = {
            .prefix = "half", .cancel = spuff_cancel_new(), .cancel_after = FLEET / 2};
        struct delivery delivery = DELIVERY;
        spuff_observer observer = observer_of(&tally);
        spuff_error *error = NULL;
        if (submits) {
            spuff_code code = spuff_provider_create_instances_submit(
                account->provider, wanted.all, FLEET, &options, tally.cancel, &observer,
                on_outcomes, &delivery, &error);
            is_ok(code, &error, "create_instances_submit");
            await(&delivery);
        } else {
            delivery.code = spuff_provider_create_instances(account->provider, wanted.all, FLEET,
                                                            &options, tally.cancel, &observer,
                                                            &delivery.outcomes, &delivery.error);
        }
        CHECK(delivery.code == SPUFF_CANCELLED && delivery.outcomes == NULL, "%s",
              shown(spuff_error_text(delivery.error)));
        CHECK(same(spuff_error_provider(delivery.error), account->name), "it names the provider");
        CHECK(same(spuff_error_operation(delivery.error), "create_instances"), "%s",
              shown(spuff_error_operation(delivery.error)));
        CHECK(tally.counts[SPUFF_PHASE_ACCEPTED] < FLEET, "half-way: %d",
              tally.counts[SPUFF_PHASE_ACCEPTED]);
        spuff_error_free(&delivery.error);
        spuff_cancel_free(&tally.cancel);
        is_empty(account, "a fleet that was cancelled");
    }
    wanted_free(&wanted);
}

/* Checks that a call is refused because of an argument, with words that help. */
static void refused(spuff_code code, spuff_error **error, const char *field, const char *words) {
    CHECK(code == SPUFF_INVALID_CONFIG && same(spuff_error_field(*error), field), "%s",
          shown(spuff_error_text(*error)));
    CHECK(strstr(shown(spuff_error_text(*error)), words) != NULL, "%s does not say %s",
          shown(spuff_error_text(*error)), words);
    spuff_error_free(error);
}

static void misuse(const struct account *account) {
    struct wanted wanted = want(account, "wrong", false);
    const spuff_provider *provider = account->provider;
    spuff_fleet_options options = {.size = sizeof options};
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_provider_create_instances(provider, NULL, 0, NULL, NULL, NULL, &outcomes, &error),
          &error, "a fleet of none");
    CHECK(outcomes != NULL && spuff_outcomes_count(outcomes) == 0, "it is empty");
    spuff_outcomes_free(&outcomes);
    is_ok(spuff_provider_wait_ready_many(provider, NULL, 0, NULL, NULL, &outcomes, &error), &error,
          "a wait for none");
    spuff_outcomes_free(&outcomes);
    is_ok(spuff_provider_destroy_instances(provider, NULL, 0, 0, NULL, NULL, &outcomes, &error),
          &error, "the end of none");
    spuff_outcomes_free(&outcomes);

    options.on_failure = 7;
    refused(spuff_provider_create_instances(provider, wanted.all, FLEET, &options, NULL, NULL,
                                            &outcomes, &error),
            &error, "on_failure", "spuff_rollback");
    wanted.all[3] = NULL;
    refused(spuff_provider_create_instances(provider, wanted.all, FLEET, NULL, NULL, NULL,
                                            &outcomes, &error),
            &error, "requests", "at 3");
    const char *ids[] = {"1", NULL};
    refused(spuff_provider_wait_ready_many(provider, ids, 2, NULL, NULL, &outcomes, &error), &error,
            "ids", "at 1");
    refused(spuff_provider_destroy_instances(provider, ids, SIZE_MAX, 0, NULL, NULL, &outcomes,
                                             &error),
            &error, "count", "ids");
    CHECK(outcomes == NULL && living(account) == 0, "nothing was done");

    /* What cannot be, fails alone. */
    wanted.all[3] = wanted.own[3];
    spuff_request_free(&wanted.own[5]);
    is_ok(spuff_request_new("", account->region, account->size, &wanted.own[5], &error), &error,
          "request");
    wanted.all[5] = wanted.own[5];
    is_ok(spuff_provider_create_instances(provider, wanted.all, FLEET, NULL, NULL, NULL, &outcomes,
                                          &error),
          &error, "create");
    for (size_t at = 0; at < FLEET; at++) {
        spuff_code code = spuff_error_code(spuff_outcomes_error(outcomes, at));
        CHECK(code == (at == 5 ? SPUFF_INVALID_CONFIG : SPUFF_OK), "%zu: %s", at,
              spuff_code_name(code));
    }
    destroy_all(account, outcomes, "a fleet with a request that cannot be");
    spuff_outcomes_free(&outcomes);
    wanted_free(&wanted);
}

static void *play(void *given) {
    struct account *account = given;
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_config *config = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(spuff_cloud_config(account->cloud, account->name, &config, &error), &error,
               "config"),
         "no configuration");
    spuff_config_set_timeout_ms(config, "poll_interval", 20, NULL);
    /* One machine is never ready: each fleet waits for that long, and the others are to be ready
       before, however slow the program is made. */
    const char *patience = getenv("SPUFF_TEST_READY_MS");
    spuff_config_set_timeout_ms(config, "instance_ready",
                                patience == NULL ? 8000 : strtoull(patience, NULL, 10), NULL);
    spuff_code code =
        spuff_registry_connect(registry, account->name, config, &account->provider, &error);
    NEED(is_ok(code, &error, "connect"), "no provider");
    whole(account);
    broken(account, SPUFF_ROLLBACK_DESTROY_FAILED, "failed");
    broken(account, SPUFF_ROLLBACK_KEEP, "kept");
    broken(account, SPUFF_ROLLBACK_DESTROY_ALL, "over");
    found(account);
    cancelled(account);
    misuse(account);
    spuff_provider_free(&account->provider);
    spuff_config_free(&config);
    spuff_registry_free(&registry);
    return NULL;
}

int main(void) {
    struct world world = world_open(1000.0);
    struct account accounts[] = {
        {.name = "digitalocean", .region = "nyc3", .size = "s-1vcpu-1gb"},
        {.name = "hetzner", .region = "fsn1", .size = "cx22"},
        {.name = "aws", .region = "us-east-1", .size = "t3.micro"},
    };
    enum { ACCOUNTS = sizeof accounts / sizeof *accounts };
    for (int at = 0; at < ACCOUNTS; at++) {
        accounts[at].cloud = world.cloud;
        NEED(pthread_create(&accounts[at].thread, NULL, play, &accounts[at]) == 0, "a thread");
    }
    for (int at = 0; at < ACCOUNTS; at++) {
        pthread_join(accounts[at].thread, NULL);
    }
    world_is_empty(&world);
    world_close(&world);
    return verdict("fleet");
}

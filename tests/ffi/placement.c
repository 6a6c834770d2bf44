/* Machines that are made where there is room, and for how much: prices, one machine, many, what is
 * refused, and a caller that leaves in the middle. */
#include <pthread.h>

#include "world.h"

#define MANY 12

enum { HETZNER, DIGITALOCEAN, AWS, CLOUDS };

static const struct {
    const char *name, *region, *size;
} places[CLOUDS] = {
    {"hetzner", "fsn1", "cx22"},
    {"digitalocean", "nyc3", "s-1vcpu-1gb"},
    {"aws", "us-east-1", "t3.micro"},
};

/* Of each cloud. Who ends a machine is who has made it, and knows it although the cloud may not
 * yet. */
static spuff_provider *providers[CLOUDS];

static spuff_provider *connected(const struct world *world, int cloud) {
    spuff_config *config = NULL;
    spuff_provider *provider = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(spuff_cloud_config(world->cloud, places[cloud].name, &config, &error), &error,
               "config"),
         "no configuration");
    spuff_config_set_timeout_ms(config, "poll_interval", 20, NULL);
    spuff_code code =
        spuff_registry_connect(world->registry, places[cloud].name, config, &provider, &error);
    NEED(is_ok(code, &error, "connect"), "no provider");
    spuff_config_free(&config);
    return provider;
}

/* A placement at these clouds, in their order, up to CLOUDS. */
static spuff_placement *placement_at(const int clouds[]) {
    spuff_placement *placement = spuff_placement_new();
    spuff_error *error = NULL;
    for (int at = 0; clouds[at] != CLOUDS; at++) {
        const spuff_provider *provider = providers[clouds[at]];
        const char *region = places[clouds[at]].region, *size = places[clouds[at]].size;
        is_ok(spuff_placement_add(placement, provider, region, size, NULL, NULL, &error), &error,
              "candidate");
    }
    return placement;
}

static void strike(const struct world *world, const char *fault, int cloud) {
    char rule[160];
    spuff_error *error = NULL;
    snprintf(rule, sizeof rule,
             "{\"fault\": %s, \"provider\": \"%s\", \"route\": \"create_instance\"}", fault,
             places[cloud].name);
    is_ok(spuff_cloud_inject(world->cloud, rule, NULL, &error), &error, rule);
}

static void end(int cloud, const spuff_instance *machine) {
    spuff_error *error = NULL;
    is_ok(spuff_provider_destroy_instance(providers[cloud], spuff_instance_id(machine), NULL,
                                          &error),
          &error, "destroy");
}

/* Checks what is said of one attempt: at which cloud, what came of it, and why. */
static void is_attempt(const spuff_attempts *attempts, size_t at, int cloud,
                       spuff_attempt_outcome outcome, spuff_code code) {
    static const char *const words[] = {"unknown",  "made",          "full",  "known_full",
                                        "too_dear", "price_unknown", "failed"};
    const char *text = shown(spuff_attempts_text(attempts, at));
    const char *message = shown(spuff_attempts_message(attempts, at));
    CHECK(spuff_attempts_candidate(attempts, at) == at, "%zu: %s", at, text);
    CHECK(same(spuff_attempts_provider(attempts, at), places[cloud].name), "%zu: %s", at, text);
    CHECK(same(spuff_attempts_region(attempts, at), places[cloud].region), "%zu: %s", at, text);
    CHECK(same(spuff_attempts_size(attempts, at), places[cloud].size), "%zu: %s", at, text);
    CHECK(spuff_attempts_outcome(attempts, at) == outcome, "%d: %s", (int)outcome, text);
    CHECK(same(spuff_attempts_outcome_word(attempts, at), words[outcome]), "%s: %s", words[outcome],
          text);
    CHECK(spuff_attempts_code(attempts, at) == code, "%s: %s", spuff_code_name(code), text);
    CHECK((*message == '\0') == (outcome == SPUFF_ATTEMPT_OUTCOME_MADE),
          "words where it was not made: %s", message);
    CHECK(strstr(text, places[cloud].name) != NULL && strstr(text, message) != NULL,
          "it says it all: %s", text);
    CHECK(spuff_attempts_elapsed_ms(attempts, at) >= 0, "it has taken a time");
}

static void prices(void) {
    spuff_price *price = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_provider_hourly_price(providers[HETZNER], "fsn1", "cx22", NULL, &price, &error),
          &error, "hourly_price");
    CHECK(same(spuff_price_currency(price), "EUR") && spuff_price_is_listed(price), "%s",
          shown(spuff_price_text(price)));
    const char *text = shown(spuff_price_text(price));
    uint64_t micros = spuff_price_micros(price);
    CHECK(micros > 0 && micros == (uint64_t)(strtod(text, NULL) * 1e6 + 0.5) &&
              strstr(text, " EUR") != NULL,
          "%s", text);
    spuff_price_free(&price);

    spuff_code code =
        spuff_provider_hourly_price(providers[HETZNER], "fsn1", "enormous", NULL, &price, &error);
    CHECK(code == SPUFF_INVALID_CONFIG && same(spuff_error_field(error), "size") && price == NULL,
          "%s", shown(spuff_error_text(error)));
    spuff_error_free(&error);
    code =
        spuff_provider_hourly_price(providers[AWS], "us-east-1", "t3.micro", NULL, &price, &error);
    CHECK(code == SPUFF_NOT_SUPPORTED && same(spuff_error_provider(error), "aws"), "%s",
          shown(spuff_error_text(error)));
    spuff_error_free(&error);
}

/* What an observer was told of candidates that were left. */
struct told {
    int left, accepted;
};

static void on_progress(void *user_data, const spuff_progress *seen) {
    struct told *told = user_data;
    CHECK(same(seen->operation, "place_instance"), "%s", shown(seen->operation));
    told->left += seen->phase == SPUFF_PHASE_PENDING && strstr(seen->state, "full") != NULL;
    told->accepted += seen->phase == SPUFF_PHASE_ACCEPTED && seen->instance != NULL;
}

/* The first two are sold out, and at their limit: the third takes it. */
static void next_place(const struct world *world) {
    spuff_placement *placement = placement_at((const int[]){HETZNER, AWS, DIGITALOCEAN, CLOUDS});
    spuff_request *request = world_request("placed");
    struct told told = {0, 0};
    spuff_observer observer = {
        .size = sizeof observer, .progress = on_progress, .user_data = &told};
    spuff_placed *placed = NULL;
    spuff_error *error = NULL;
    strike(world, "\"capacity_out\"", HETZNER);
    strike(world, "\"quota_reached\"", AWS);
    is_ok(spuff_place_instance(placement, request, NULL, &observer, &placed, &error), &error,
          "place_instance");
    const spuff_instance *machine = spuff_placed_instance(placed);
    const spuff_attempts *attempts = spuff_placed_attempts(placed);
    CHECK(spuff_placed_candidate(placed) == 2 && same(spuff_instance_name(machine), "placed"), "%s",
          shown(spuff_instance_id(machine)));
    CHECK(same(spuff_instance_region(machine), "nyc3"), "the region is the candidate's: %s",
          shown(spuff_instance_region(machine)));
    CHECK(spuff_attempts_count(attempts) == 3, "%zu were tried", spuff_attempts_count(attempts));
    is_attempt(attempts, 0, HETZNER, SPUFF_ATTEMPT_OUTCOME_FULL, SPUFF_CAPACITY);
    is_attempt(attempts, 1, AWS, SPUFF_ATTEMPT_OUTCOME_FULL, SPUFF_QUOTA_EXCEEDED);
    is_attempt(attempts, 2, DIGITALOCEAN, SPUFF_ATTEMPT_OUTCOME_MADE, SPUFF_OK);
    CHECK(spuff_attempts_price(attempts, 2) == NULL, "a price that nobody asked for");
    CHECK(spuff_attempts_text(attempts, 3) == NULL && spuff_attempts_elapsed_ms(attempts, 3) == -1,
          "past the last");
    CHECK(told.left == 2 && told.accepted == 1, "%d were left, %d accepted", told.left,
          told.accepted);
    end(DIGITALOCEAN, machine);
    spuff_placed_free(&placed);

    /* No place is left: what can be had again tells most. */
    strike(world, "\"quota_reached\"", DIGITALOCEAN);
    spuff_code code = spuff_place_instance(placement, request, NULL, NULL, &placed, &error);
    CHECK(code == SPUFF_CAPACITY && placed == NULL, "%s", shown(spuff_error_text(error)));
    attempts = spuff_error_attempts(error);
    CHECK(spuff_attempts_count(attempts) == 3, "%zu were tried", spuff_attempts_count(attempts));
    is_attempt(attempts, 0, HETZNER, SPUFF_ATTEMPT_OUTCOME_FULL, SPUFF_CAPACITY);
    is_attempt(attempts, 2, DIGITALOCEAN, SPUFF_ATTEMPT_OUTCOME_FULL, SPUFF_QUOTA_EXCEEDED);
    spuff_error_free(&error);

    /* What is no lack of room ends it. */
    spuff_cloud_clear_faults(world->cloud);
    strike(world, "\"unauthorized\"", HETZNER);
    code = spuff_place_instance(placement, request, NULL, NULL, &placed, &error);
    attempts = spuff_error_attempts(error);
    CHECK(code == SPUFF_AUTHENTICATION && spuff_attempts_count(attempts) == 1, "%s",
          shown(spuff_error_text(error)));
    is_attempt(attempts, 0, HETZNER, SPUFF_ATTEMPT_OUTCOME_FAILED, SPUFF_AUTHENTICATION);
    spuff_error_free(&error);
    spuff_cloud_clear_faults(world->cloud);
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    world_is_empty(world);
}

static void ceiling(const struct world *world) {
    spuff_placement *placement = spuff_placement_new();
    spuff_request *request = world_request("cheap");
    spuff_placed *placed = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_placement_add(placement, providers[HETZNER], "fsn1", "cx22", "0.02 EUR", NULL,
                              &error),
          &error, "too dear");
    is_ok(spuff_placement_add(placement, providers[AWS], "us-east-1", "t3.micro", NULL, NULL,
                              &error),
          &error, "of no known price");
    is_ok(spuff_placement_set_max_price(placement, "0.01 EUR", &error), &error, "max_price");
    spuff_code code = spuff_place_instance(placement, request, NULL, NULL, &placed, &error);
    const spuff_attempts *attempts = spuff_error_attempts(error);
    CHECK(code == SPUFF_INVALID_CONFIG && same(spuff_error_field(error), "max_price"), "%s",
          shown(spuff_error_text(error)));
    is_attempt(attempts, 0, HETZNER, SPUFF_ATTEMPT_OUTCOME_TOO_DEAR, SPUFF_OK);
    is_attempt(attempts, 1, AWS, SPUFF_ATTEMPT_OUTCOME_PRICE_UNKNOWN, SPUFF_OK);
    const spuff_price *price = spuff_attempts_price(attempts, 0);
    CHECK(same(spuff_price_text(price), "0.02 EUR") && !spuff_price_is_listed(price), "%s",
          shown(spuff_price_text(price)));
    CHECK(spuff_attempts_price(attempts, 1) == NULL, "nobody knows it");
    spuff_error_free(&error);

    /* The third is below the ceiling by its cloud's list. The placement goes on without its
     * handle. */
    spuff_provider *own = connected(world, HETZNER);
    is_ok(spuff_placement_add(placement, own, "fsn1", "cx22", NULL, "debian:12", &error), &error,
          "cheap enough");
    spuff_provider_free(&own);
    is_ok(spuff_place_instance(placement, request, NULL, NULL, &placed, &error), &error,
          "place_instance");
    CHECK(spuff_placed_candidate(placed) == 2, "%zu", spuff_placed_candidate(placed));
    price = spuff_attempts_price(spuff_placed_attempts(placed), 2);
    CHECK(spuff_price_is_listed(price) && spuff_price_micros(price) <= 10000, "%s",
          shown(spuff_price_text(price)));
    end(HETZNER, spuff_placed_instance(placed));
    spuff_placed_free(&placed);

    is_ok(spuff_placement_set_allow_unknown_price(placement, true, &error), &error,
          "allow_unknown_price");
    is_ok(spuff_place_instance(placement, request, NULL, NULL, &placed, &error), &error,
          "place_instance");
    CHECK(spuff_placed_candidate(placed) == 1, "%zu", spuff_placed_candidate(placed));
    end(AWS, spuff_placed_instance(placed));
    spuff_placed_free(&placed);
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    world_is_empty(world);
}

/* Checks that a call is refused because of a field, with words that help. */
static void refused(spuff_code code, spuff_error **error, const char *field, const char *words) {
    CHECK(code == SPUFF_INVALID_CONFIG && same(spuff_error_field(*error), field), "%s",
          shown(spuff_error_text(*error)));
    CHECK(strstr(shown(spuff_error_text(*error)), words) != NULL, "%s does not say %s",
          shown(spuff_error_text(*error)), words);
    spuff_error_free(error);
}

static void misuse(const struct world *world) {
    spuff_placement *placement = spuff_placement_new();
    spuff_request *request = world_request("wrong");
    spuff_placed *placed = NULL;
    spuff_error *error = NULL;
    refused(spuff_place_instance(placement, request, NULL, NULL, &placed, &error), &error,
            "candidates", "at least one");
    refused(spuff_placement_add(placement, NULL, "fsn1", "cx22", NULL, NULL, &error), &error,
            "provider", "NULL");
    refused(spuff_placement_add(placement, world->provider, "fsn1", "cx22", "cheap", NULL, &error),
            &error, "price", "0.0056 EUR");
    refused(spuff_placement_set_max_price(placement, "0.01", &error), &error, "price",
            "0.0056 EUR");
    refused(spuff_place_instance(placement, request, NULL, NULL, &placed, &error), &error,
            "candidates", "at least one");
    is_ok(spuff_placement_add(placement, world->provider, "fsn1", "cx22", NULL, NULL, &error),
          &error, "candidate");
    is_ok(spuff_placement_set_max_price(placement, "0.01 USD", &error), &error, "max_price");
    refused(spuff_place_instance(placement, request, NULL, NULL, &placed, &error), &error,
            "max_price", "EUR");
    refused(spuff_place_instance_submit(placement, request, NULL, NULL, NULL, NULL, &error), &error,
            "callback", "NULL");
    CHECK(placed == NULL, "nothing was made");
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    world_is_empty(world);
}

/* What a call that was submitted has come to. */
struct delivery {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int times;
    spuff_code code;
    spuff_placed *placed;
    spuff_outcomes *outcomes;
    spuff_error *error;
};

static void deliver(struct delivery *delivery, spuff_code code, spuff_placed *placed,
                    spuff_outcomes *outcomes, spuff_error *error) {
    pthread_mutex_lock(&delivery->lock);
    delivery->times++;
    delivery->code = code;
    delivery->placed = placed;
    delivery->outcomes = outcomes;
    delivery->error = error;
    pthread_cond_signal(&delivery->came);
    pthread_mutex_unlock(&delivery->lock);
}

static void on_placed(void *user_data, spuff_code code, spuff_placed *placed, spuff_error *error) {
    deliver(user_data, code, placed, NULL, error);
}

static void on_outcomes(void *user_data, spuff_code code, spuff_outcomes *outcomes,
                        spuff_error *error) {
    deliver(user_data, code, NULL, outcomes, error);
}

static void await(struct delivery *delivery) {
    pthread_mutex_lock(&delivery->lock);
    while (delivery->times == 0) {
        pthread_cond_wait(&delivery->came, &delivery->lock);
    }
    pthread_mutex_unlock(&delivery->lock);
    CHECK(delivery->times == 1, "a callback is called once");
}

/* The caller leaves while the second candidate makes the machine: it is destroyed. */
static void left(const struct world *world) {
    spuff_placement *placement = placement_at((const int[]){DIGITALOCEAN, HETZNER, CLOUDS});
    spuff_request *request = world_request("left");
    spuff_cancel *cancel = spuff_cancel_new();
    struct delivery delivery = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .came = PTHREAD_COND_INITIALIZER};
    spuff_error *error = NULL;
    strike(world, "\"capacity_out\"", DIGITALOCEAN);
    strike(world, "{\"slow\": {\"millis\": 300}}", HETZNER);
    uint64_t before = spuff_cloud_request_count(world->cloud, "hetzner");
    is_ok(spuff_place_instance_submit(placement, request, cancel, NULL, on_placed, &delivery,
                                      &error),
          &error, "submit");
    while (spuff_cloud_request_count(world->cloud, "hetzner") == before) {
        pause_ms(2);
    }
    spuff_cancel_cancel(cancel);
    await(&delivery);
    CHECK(delivery.code == SPUFF_CANCELLED && delivery.placed == NULL, "%s",
          shown(spuff_error_text(delivery.error)));
    CHECK(same(spuff_error_operation(delivery.error), "place_instance"), "%s",
          shown(spuff_error_operation(delivery.error)));
    spuff_error_free(&delivery.error);
    spuff_cloud_clear_faults(world->cloud);
    spuff_cancel_free(&cancel);
    spuff_request_free(&request);
    spuff_placement_free(&placement);
    world_is_empty(world);
}

/* Many, of which the first candidate takes none; at first no candidate does. */
static void many(const struct world *world) {
    spuff_placement *placement = placement_at((const int[]){DIGITALOCEAN, HETZNER, CLOUDS});
    spuff_request *own[MANY];
    const spuff_request *requests[MANY];
    for (int at = 0; at < MANY; at++) {
        char name[32];
        snprintf(name, sizeof name, "many-%d", at);
        requests[at] = own[at] = world_request(name);
    }
    /* None finds a place: each says so. */
    spuff_outcomes *outcomes = NULL;
    spuff_error *error = NULL;
    strike(world, "\"capacity_out\"", DIGITALOCEAN);
    strike(world, "\"quota_reached\"", HETZNER);
    spuff_code code =
        spuff_place_instances(placement, requests, MANY, NULL, NULL, NULL, &outcomes, &error);
    is_ok(code, &error, "place_instances");
    for (size_t at = 0; at < MANY; at++) {
        const spuff_error *failure = spuff_outcomes_error(outcomes, at);
        CHECK(spuff_error_code(failure) == SPUFF_CAPACITY, "%zu: %s", at,
              shown(spuff_error_text(failure)));
        CHECK(spuff_attempts_count(spuff_error_attempts(failure)) == 2, "%zu: %s", at,
              shown(spuff_error_text(failure)));
        CHECK(spuff_outcomes_placed(outcomes, at) == NULL, "%zu has no place", at);
    }
    spuff_outcomes_free(&outcomes);
    spuff_cloud_clear_faults(world->cloud);

    /* The second candidate takes all. */
    strike(world, "\"capacity_out\"", DIGITALOCEAN);
    struct delivery delivery = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .came = PTHREAD_COND_INITIALIZER};
    spuff_fleet_options options = {.size = sizeof options, .concurrency = 4, .wait_ready = true};
    code = spuff_place_instances_submit(placement, requests, MANY, &options, NULL, NULL,
                                        on_outcomes, &delivery, &error);
    is_ok(code, &error, "place_instances_submit");
    await(&delivery);
    is_ok(delivery.code, &delivery.error, "place_instances");
    NEED(spuff_outcomes_count(delivery.outcomes) == MANY, "an outcome for each request");
    size_t asked = 0;
    for (size_t at = 0; at < MANY; at++) {
        const spuff_error *failure = spuff_outcomes_error(delivery.outcomes, at);
        const spuff_placed *placed = spuff_outcomes_placed(delivery.outcomes, at);
        const spuff_instance *machine = spuff_outcomes_instance(delivery.outcomes, at);
        NEED(failure == NULL && placed != NULL, "%zu: %s", at, shown(spuff_error_text(failure)));
        CHECK(machine == spuff_placed_instance(placed) && spuff_instance_is_ready(machine),
              "%zu is ready", at);
        CHECK(same(spuff_instance_name(machine), spuff_request_name(requests[at])),
              "in the order of the requests");
        const spuff_attempts *attempts = spuff_placed_attempts(placed);
        bool was_asked = spuff_attempts_outcome(attempts, 0) == SPUFF_ATTEMPT_OUTCOME_FULL;
        spuff_attempt_outcome first =
            was_asked ? SPUFF_ATTEMPT_OUTCOME_FULL : SPUFF_ATTEMPT_OUTCOME_KNOWN_FULL;
        asked += was_asked;
        is_attempt(attempts, 0, DIGITALOCEAN, first, SPUFF_CAPACITY);
        is_attempt(attempts, 1, HETZNER, SPUFF_ATTEMPT_OUTCOME_MADE, SPUFF_OK);
        end(HETZNER, machine);
    }
    CHECK(asked >= 1 && asked <= options.concurrency, "%zu were refused", asked);
    CHECK(spuff_outcomes_placed(delivery.outcomes, MANY) == NULL, "past the last");
    spuff_outcomes_free(&delivery.outcomes);
    spuff_cloud_clear_faults(world->cloud);
    for (int at = 0; at < MANY; at++) {
        spuff_request_free(&own[at]);
    }
    spuff_placement_free(&placement);
    world_is_empty(world);
}

int main(void) {
    struct world world = world_open(200.0);
    for (int cloud = 0; cloud < CLOUDS; cloud++) {
        providers[cloud] = connected(&world, cloud);
    }
    prices();
    next_place(&world);
    ceiling(&world);
    misuse(&world);
    left(&world);
    many(&world);
    for (int cloud = 0; cloud < CLOUDS; cloud++) {
        spuff_provider_free(&providers[cloud]);
    }
    world_close(&world);
    return verdict("placement");
}

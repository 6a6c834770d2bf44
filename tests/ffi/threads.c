/* Sixteen threads use one registry, one provider, one cloud and one token at once, and a provider
 * in C beside them; at the end nothing may be left, and every callback was called once. */
#include "fake_provider.h"

#define THREADS 16

static struct world world;
static struct fake fake = {.lock = PTHREAD_MUTEX_INITIALIZER};
static spuff_provider *fake_provider;
static spuff_cancel *token;
static pthread_barrier_t barrier;
static atomic_long delivered, submitted, seen, logged, cancelled;
static int rounds = 3;

static void on_progress(void *user_data, const spuff_progress *progress) {
    atomic_fetch_add(&seen, 1);
    atomic_fetch_add((atomic_int *)user_data, 1);
    CHECK(progress->size == sizeof *progress && progress->operation != NULL, "progress");
}

static void on_log(void *user_data, spuff_log_level level, const char *target,
                   const char *message) {
    atomic_fetch_add(&logged, 1);
    CHECK(user_data == &logged && level <= SPUFF_LOG_LEVEL_DEBUG && target != NULL &&
              message != NULL,
          "%s", shown(message));
}

/* Other ends of a call than success that a token may give it. */
static bool was_cut(spuff_code code, spuff_error **error) {
    if (code == SPUFF_CANCELLED) {
        CHECK(spuff_error_code(*error) == code && spuff_error_provider(*error) != NULL, "%s",
              shown(spuff_error_text(*error)));
        atomic_fetch_add(&cancelled, 1);
        spuff_error_free(error);
        return true;
    }
    return !is_ok(code, error, "a call");
}

static void find_in(const spuff_provider *provider, const char *id) {
    spuff_error *error = NULL;
    spuff_instances *list = NULL;
    if (is_ok(spuff_provider_list_instances(provider, token, &list, &error), &error, "list")) {
        bool found = false;
        for (size_t at = 0; at < spuff_instances_count(list); at++) {
            found = found || same(spuff_instance_id(spuff_instances_get(list, at)), id);
        }
        CHECK(found, "%s is listed", id);
    }
    spuff_instances_free(&list);
}

/* One machine from its create to its end. */
static void live(const spuff_provider *provider, const char *name) {
    spuff_error *error = NULL;
    spuff_instance *made = NULL, *ready = NULL, *again = NULL;
    atomic_int own = 0;
    spuff_observer observer = {.size = sizeof observer, .progress = on_progress, .user_data = &own};
    spuff_request *request = world_request(name);
    is_ok(spuff_request_set_owner(request, "threads", &error), &error, "owner");
    if (is_ok(spuff_provider_create_instance(provider, request, token, &made, &error), &error,
              name)) {
        const char *id = spuff_instance_id(made);
        is_ok(spuff_provider_get_instance(provider, id, token, &again, &error), &error, "get");
        CHECK(same(spuff_instance_name(again), name), "%s", shown(spuff_instance_name(again)));
        find_in(provider, id);
        is_ok(spuff_provider_wait_ready(provider, id, token, &observer, &ready, &error), &error,
              "wait");
        CHECK(spuff_instance_is_ready(ready) && same(spuff_instance_id(ready), id), "%s is ready",
              name);
        is_ok(spuff_provider_destroy_instance(provider, id, token, &error), &error, "destroy");
    }
    spuff_request_free(&request);
    spuff_instance_free(&made);
    spuff_instance_free(&ready);
    spuff_instance_free(&again);
}

/* The count of requests never goes back. */
static void requests_seen(int number) {
    static uint64_t last[THREADS];
    uint64_t count = spuff_cloud_request_count(world.cloud, WORLD_PROVIDER);
    CHECK(count >= last[number], "%llu requests", (unsigned long long)count);
    last[number] = count;
}

/* Handles of everything that may be shared, made and freed beside the verbs. */
static void look_around(int number) {
    spuff_error *error = NULL;
    spuff_provider *own = NULL;
    spuff_description *description = NULL;
    spuff_resources *resources = NULL;
    spuff_provider_vtable vtable = fake_vtable(&fake);
    char name[16];
    snprintf(name, sizeof name, "fake-%d", number);
    is_ok(spuff_registry_register(world.registry, name, NULL, &vtable, &error), &error, "register");
    is_ok(spuff_registry_connect(world.registry, name, NULL, &own, &error), &error, "connect");
    CHECK(same(spuff_provider_name(own), name) &&
              spuff_registry_is_registered(world.registry, name),
          "%s", name);
    is_ok(spuff_registry_describe(world.registry, WORLD_PROVIDER, &description, &error), &error,
          "describe");
    is_ok(spuff_cloud_instances(world.cloud, &resources, &error), &error, "resources");
    requests_seen(number);
    spuff_cloud_advance_ms(world.cloud, 10);
    spuff_code code =
        spuff_provider_get_instance(own, "haunted", token, &(spuff_instance *){NULL}, &error);
    CHECK(code == SPUFF_UNAVAILABLE && same(spuff_error_provider(error), name), "%s",
          shown(spuff_error_text(error)));
    spuff_error_free(&error);
    is_ok(spuff_log_listen(number % 2 == 0 ? SPUFF_LOG_LEVEL_DEBUG : SPUFF_LOG_LEVEL_INFO, on_log,
                           &logged, &error),
          &error, "log");
    spuff_provider_free(&own);
    spuff_description_free(&description);
    spuff_resources_free(&resources);
}

static void on_gone(void *user_data, spuff_code code, spuff_error *error) {
    (void)user_data;
    was_cut(code, &error);
    atomic_fetch_add(&delivered, 1);
}

/* The machine that was submitted is ended by another submit, from the callback. */
static void on_made(void *user_data, spuff_code code, spuff_instance *made, spuff_error *error) {
    if (!was_cut(code, &error)) {
        spuff_provider *provider = user_data;
        atomic_fetch_add(&submitted, 1);
        code = spuff_provider_destroy_instance_submit(provider, spuff_instance_id(made), NULL,
                                                      on_gone, NULL, &error);
        is_ok(code, &error, "submit in a callback");
    }
    spuff_instance_free(&made);
    atomic_fetch_add(&delivered, 1);
}

static void on_list(void *user_data, spuff_code code, spuff_instances *list, spuff_error *error) {
    (void)user_data;
    CHECK(was_cut(code, &error) || list != NULL, "a list");
    spuff_instances_free(&list);
    atomic_fetch_add(&delivered, 1);
}

static void submit(spuff_provider *provider, const char *name) {
    spuff_error *error = NULL;
    spuff_request *request = world_request(name);
    spuff_code code = spuff_provider_create_and_wait_submit(
        provider, request, SPUFF_ON_FAILURE_DESTROY, token, NULL, on_made, provider, &error);
    atomic_fetch_add(&submitted, is_ok(code, &error, "submit"));
    code = spuff_provider_list_instances_submit(provider, token, on_list, NULL, &error);
    atomic_fetch_add(&submitted, is_ok(code, &error, "submit"));
    spuff_request_free(&request);
}

static void create_until_cancelled(const spuff_provider *provider, const char *name) {
    spuff_error *error = NULL;
    spuff_instance *made = NULL;
    spuff_request *request = world_request(name);
    spuff_code code = spuff_provider_create_and_wait(provider, request, SPUFF_ON_FAILURE_DESTROY,
                                                     token, NULL, &made, &error);
    if (!was_cut(code, &error)) {
        is_ok(spuff_provider_destroy_instance(provider, spuff_instance_id(made), NULL, &error),
              &error, "destroy");
    }
    spuff_instance_free(&made);
    spuff_request_free(&request);
}

static void *work(void *given) {
    int number = *(int *)given;
    char name[32];
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < rounds; round++) {
        snprintf(name, sizeof name, "live-%d-%d", number, round);
        live(number % 4 == 3 ? fake_provider : world.provider, name);
        look_around(number);
    }
    snprintf(name, sizeof name, "submit-%d", number);
    submit(number % 4 == 3 ? fake_provider : world.provider, name);
    pthread_barrier_wait(&barrier);
    snprintf(name, sizeof name, "cut-%d", number);
    if (number == 0) {
        pause_ms(15);
        spuff_cancel_cancel(token);
    } else {
        create_until_cancelled(number % 4 == 3 ? fake_provider : world.provider, name);
    }
    CHECK(spuff_cancel_is_cancelled(token) || number != 0, "the token is cancelled");
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    int numbers[THREADS];
    spuff_error *error = NULL;
    spuff_provider_vtable vtable = fake_vtable(&fake);
    if (getenv("SPUFF_TEST_ROUNDS") != NULL) {
        rounds = atoi(getenv("SPUFF_TEST_ROUNDS"));
    }
    world = world_open(200.0);
    token = spuff_cancel_new();
    is_ok(spuff_registry_register(world.registry, "fake", "a fake", &vtable, &error), &error,
          "register");
    is_ok(spuff_registry_connect(world.registry, "fake", NULL, &fake_provider, &error), &error,
          "connect");
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int at = 0; at < THREADS; at++) {
        numbers[at] = at;
        NEED(pthread_create(&threads[at], NULL, work, &numbers[at]) == 0, "a thread");
    }
    for (int at = 0; at < THREADS; at++) {
        pthread_join(threads[at], NULL);
    }
    double began = now_ms();
    while (atomic_load(&delivered) < atomic_load(&submitted) && now_ms() - began < 120000) {
        pause_ms(5);
    }
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    CHECK(atomic_load(&delivered) == atomic_load(&submitted), "%ld callbacks for %ld submits",
          delivered, submitted);
    CHECK(atomic_load(&logged) > 0, "the log is told");
    CHECK(fake_count(&fake) == 0, "left on the fake: %zu", fake_count(&fake));
    is_ok(spuff_log_listen(SPUFF_LOG_LEVEL_OFF, NULL, NULL, &error), &error, "log");
    world_is_empty(&world);
    printf("%d threads: %ld callbacks, %ld cancelled, %ld progress, %ld log lines, %d calls of the "
           "provider in C\n",
           THREADS, delivered, cancelled, seen, logged, fake.calls);
    spuff_cancel_free(&token);
    spuff_provider_free(&fake_provider);
    world_close(&world);
    pthread_barrier_destroy(&barrier);
    CHECK(fake.connected == fake.disconnected, "connected %d, disconnected %d", fake.connected,
          fake.disconnected);
    CHECK(fake.dropped == THREADS * rounds + 1, "dropped %d times", fake.dropped);
    return verdict("threads");
}

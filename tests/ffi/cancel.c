/* What ends a call early: a token from another thread, a deadline, handles that are freed in the
 * middle. The clouds' clock stands still, so that nothing is ready until it is moved. */
#include "fake_provider.h"

static struct world world;

/* A call on a thread of its own, or one that was submitted: what came of it, and when. */
struct call {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int deliveries;
    spuff_provider *provider;
    spuff_cancel *cancel;
    const char *id;
    spuff_request *request;
    spuff_code code;
    spuff_error *error;
    spuff_instance *made;
    double end;
    atomic_int seen;
    bool is_under_way;
};

#define CALL(...)                                                                                  \
    {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, __VA_ARGS__}

static void deliver(struct call *call, spuff_code code, spuff_instance *made, spuff_error *error) {
    pthread_mutex_lock(&call->lock);
    call->end = now_ms();
    call->code = code;
    spuff_instance_free(&call->made);
    call->made = made;
    spuff_error_free(&call->error);
    call->error = error;
    call->deliveries++;
    pthread_cond_broadcast(&call->ended);
    pthread_mutex_unlock(&call->lock);
}

static void on_instance(void *user_data, spuff_code code, spuff_instance *made,
                        spuff_error *error) {
    deliver(user_data, code, made, error);
}

static void await(struct call *call) {
    pthread_mutex_lock(&call->lock);
    while (call->deliveries == 0) {
        pthread_cond_wait(&call->ended, &call->lock);
    }
    pthread_mutex_unlock(&call->lock);
}

static void call_free(struct call *call) {
    spuff_error_free(&call->error);
    spuff_instance_free(&call->made);
    spuff_request_free(&call->request);
    spuff_cancel_free(&call->cancel);
}

static void on_first_look(void *user_data, const spuff_progress *progress) {
    struct call *call = user_data;
    (void)progress;
    pthread_mutex_lock(&call->lock);
    call->is_under_way = true;
    pthread_cond_signal(&call->ended);
    pthread_mutex_unlock(&call->lock);
}

/* Waits until a call has asked the cloud: from then on it needs no handle of the caller's. */
static void under_way(struct call *call) {
    pthread_mutex_lock(&call->lock);
    while (!call->is_under_way && call->deliveries == 0) {
        pthread_cond_wait(&call->ended, &call->lock);
    }
    pthread_mutex_unlock(&call->lock);
}

static void *wait_ready(void *given) {
    struct call *call = given;
    spuff_observer observer = {
        .size = sizeof observer, .progress = on_first_look, .user_data = call};
    spuff_error *error = NULL;
    spuff_instance *made = NULL;
    spuff_code code =
        spuff_provider_wait_ready(call->provider, call->id, call->cancel, &observer, &made, &error);
    deliver(call, code, made, error);
    return NULL;
}

static void *create_and_wait(void *given) {
    struct call *call = given;
    spuff_error *error = NULL;
    spuff_instance *made = NULL;
    spuff_code code = spuff_provider_create_and_wait(
        call->provider, call->request, SPUFF_ON_FAILURE_DESTROY, call->cancel, NULL, &made, &error);
    deliver(call, code, made, error);
    return NULL;
}

static void *settle(void *given) {
    struct call *call = given;
    spuff_error *error = NULL;
    spuff_code code = spuff_settled(call->cancel, &error);
    deliver(call, code, NULL, error);
    return NULL;
}

static void start(struct call *call, void *(*body)(void *)) {
    NEED(pthread_create(&call->thread, NULL, body, call) == 0, "a thread");
}

static bool was_delivered(struct call *call) {
    pthread_mutex_lock(&call->lock);
    bool delivered = call->deliveries > 0;
    pthread_mutex_unlock(&call->lock);
    return delivered;
}

/* Checks that a call was ended by its token, and says how fast. */
static void ended(const struct call *call, spuff_code code, const char *id, double since,
                  const char *what) {
    double took = call->end - since;
    printf("%s: %.1f ms, under 50: %s\n", what, took, took < 50 ? "yes" : "no");
    CHECK(took < 1000, "%s, by its token and not by the next look: %.1f ms", what, took);
    CHECK(call->code == code, "%s: %s", what, shown(spuff_error_text(call->error)));
    CHECK(same(spuff_error_provider(call->error), WORLD_PROVIDER), "%s names the provider", what);
    CHECK(id == NULL || same(spuff_error_instance_id(call->error), id), "%s: %s", what,
          shown(spuff_error_instance_id(call->error)));
    CHECK(call->deliveries == 1 && call->made == NULL, "%s ends once, with nothing", what);
}

static spuff_provider *connect_patient(void) {
    spuff_provider *provider = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_config_set_timeout_ms(world.config, "poll_interval", 5000, &error), &error,
          "poll_interval");
    is_ok(spuff_registry_connect(world.registry, WORLD_PROVIDER, world.config, &provider, &error),
          &error, "connect");
    return provider;
}

static void waits_end(const char *id) {
    spuff_provider *provider = connect_patient();
    spuff_error *error = NULL;
    for (int round = 0; round < 3; round++) {
        struct call call = CALL(.provider = provider, .id = id, .cancel = spuff_cancel_new());
        start(&call, wait_ready);
        pause_ms(150);
        CHECK(!was_delivered(&call), "it still waits");
        double since = now_ms();
        spuff_cancel_cancel(call.cancel);
        pthread_join(call.thread, NULL);
        ended(&call, SPUFF_CANCELLED, id, since, "wait_ready, cancelled");
        call_free(&call);
    }
    struct call submitted = CALL(.cancel = spuff_cancel_new());
    spuff_code code = spuff_provider_wait_ready_submit(provider, id, submitted.cancel, NULL,
                                                       on_instance, &submitted, &error);
    is_ok(code, &error, "submit");
    pause_ms(150);
    CHECK(!was_delivered(&submitted), "it still waits");
    double since = now_ms();
    spuff_cancel_cancel(submitted.cancel);
    await(&submitted);
    ended(&submitted, SPUFF_CANCELLED, id, since, "wait_ready_submit, cancelled");

    struct call late =
        CALL(.provider = provider, .id = id, .cancel = spuff_cancel_with_deadline_ms(200));
    since = now_ms();
    wait_ready(&late);
    CHECK(late.end - since >= 199, "the deadline is not early: %.1f ms", late.end - since);
    ended(&late, SPUFF_TIMEOUT, id, since + 200, "wait_ready, past its deadline");
    struct call already = CALL(.provider = provider, .id = id, .cancel = spuff_cancel_new());
    spuff_cancel_cancel(already.cancel);
    since = now_ms();
    wait_ready(&already);
    ended(&already, SPUFF_CANCELLED, id, since, "wait_ready, cancelled before");
    pause_ms(50);
    CHECK(submitted.deliveries == 1, "a callback is called once: %d", submitted.deliveries);
    call_free(&submitted);
    call_free(&late);
    call_free(&already);
    spuff_provider_free(&provider);
}

/* Waits for what is under way in the background. A machine that is being made can be ended only
 * when it is made. */
static void settle_in_time(void) {
    struct call settling = CALL();
    start(&settling, settle);
    while (!was_delivered(&settling)) {
        spuff_cloud_advance_ms(world.cloud, 60000);
        pause_ms(20);
    }
    pthread_join(settling.thread, NULL);
    is_ok(settling.code, &settling.error, "settled");
}

/* A create whose reply is slow is cancelled before it has come: the machine is ended behind the
 * caller's back. */
static void creates_leave_nothing(void) {
    spuff_error *error = NULL;
    spuff_resources *machines = NULL;
    const char *slow = "{\"fault\": {\"slow\": {\"millis\": 1500}}, \"provider\": \"" WORLD_PROVIDER
                       "\", \"route\": \"create_instance\", \"times\": 2}";
    uint64_t rule = 0;
    is_ok(spuff_cloud_inject(world.cloud, slow, &rule, &error), &error, "inject");
    struct call call = CALL(.provider = world.provider, .cancel = spuff_cancel_new(),
                            .request = world_request("slow"));
    start(&call, create_and_wait);
    while (spuff_cloud_hits(world.cloud, rule) < 1) {
        pause_ms(5);
    }
    double since = now_ms();
    spuff_cancel_cancel(call.cancel);
    pthread_join(call.thread, NULL);
    ended(&call, SPUFF_CANCELLED, NULL, since, "create_and_wait, cancelled");

    struct call submitted =
        CALL(.cancel = spuff_cancel_new(), .request = world_request("slow-too"));
    is_ok(spuff_provider_create_instance_submit(world.provider, submitted.request, submitted.cancel,
                                                on_instance, &submitted, &error),
          &error, "submit");
    while (spuff_cloud_hits(world.cloud, rule) < 2) {
        pause_ms(5);
    }
    since = now_ms();
    spuff_cancel_cancel(submitted.cancel);
    await(&submitted);
    ended(&submitted, SPUFF_CANCELLED, NULL, since, "create_instance_submit, cancelled");

    struct call settling = CALL(.cancel = spuff_cancel_new());
    spuff_cancel_cancel(settling.cancel);
    settle(&settling);
    CHECK(settling.code == SPUFF_CANCELLED, "settled, cancelled: %s",
          spuff_code_name(settling.code));
    call_free(&settling);
    settle_in_time();
    is_ok(spuff_cloud_instances(world.cloud, &machines, &error), &error, "instances");
    for (size_t at = 0; at < spuff_resources_count(machines); at++) {
        bool gone = spuff_resources_is_ending(machines, at) ||
                    same(spuff_resources_name(machines, at), "patience");
        CHECK(gone, "it is left: %s", spuff_resources_text(machines, at));
    }
    spuff_resources_free(&machines);
    call_free(&call);
    call_free(&submitted);
}

/*
 * Provider, token and registry may be freed as soon as the calls have begun. Whether none had ended
 * before, as it may on a slow machine.
 */
static bool handles_go_early(const char *id, uint64_t limit_ms) {
    spuff_error *error = NULL;
    bool early = true;
    struct call calls[6] = {CALL(), CALL(), CALL(), CALL(), CALL(), CALL()};
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_provider *provider = NULL;
    spuff_cancel *cancel = spuff_cancel_with_deadline_ms(limit_ms);
    is_ok(spuff_registry_connect(registry, WORLD_PROVIDER, world.config, &provider, &error), &error,
          "connect");
    char *own_id = strdup(id);
    for (int at = 0; at < 6; at++) {
        calls[at].provider = provider;
        calls[at].id = own_id;
        if (at % 2 == 0) {
            calls[at].cancel = cancel;
            start(&calls[at], wait_ready);
        } else {
            spuff_code code = spuff_provider_wait_ready_submit(provider, own_id, cancel, NULL,
                                                               on_instance, &calls[at], &error);
            is_ok(code, &error, "submit");
        }
    }
    for (int at = 0; at < 6; at++) {
        if (at % 2 == 0) {
            under_way(&calls[at]);
        }
        early = early && !was_delivered(&calls[at]);
    }
    spuff_registry_free(&registry);
    spuff_provider_free(&provider);
    spuff_cancel_free(&cancel);
    for (int at = 0; at < 6; at++) {
        await(&calls[at]);
        if (at % 2 == 0) {
            pthread_join(calls[at].thread, NULL);
        }
        calls[at].cancel = NULL;
        CHECK(calls[at].code == SPUFF_TIMEOUT, "%s", shown(spuff_error_text(calls[at].error)));
        CHECK(same(spuff_error_provider(calls[at].error), WORLD_PROVIDER),
              "it names the provider that was freed");
        CHECK(same(spuff_error_instance_id(calls[at].error), id), "it names the machine");
        call_free(&calls[at]);
    }
    free(own_id);
    return early;
}

/* An observer and a callback that call spuff themselves. */
static void cancel_when_seen(void *user_data, const spuff_progress *progress) {
    struct call *call = user_data;
    spuff_error *error = NULL;
    spuff_instance *found = NULL;
    CHECK(progress->size >= sizeof *progress && same(progress->operation, "wait_ready"), "%s",
          shown(progress->operation));
    is_ok(spuff_provider_get_instance(call->provider, progress->id, NULL, &found, &error), &error,
          "get_instance in an observer");
    CHECK(same(spuff_instance_id(found), progress->id), "the machine that is waited for");
    spuff_instance_free(&found);
    atomic_fetch_add(&call->seen, 1);
    spuff_cancel_cancel(call->cancel);
}

static void destroy_when_done(void *user_data, spuff_code code, spuff_instance *made,
                              spuff_error *error) {
    struct call *call = user_data;
    spuff_error *refused = NULL;
    is_ok(code, &error, "create_and_wait_submit");
    spuff_code ended =
        spuff_provider_destroy_instance(call->provider, spuff_instance_id(made), NULL, &refused);
    is_ok(ended, &refused, "destroy_instance in a callback");
    deliver(call, code, made, NULL);
}

static void callbacks_call_spuff(const char *id) {
    spuff_error *error = NULL;
    struct call watched = CALL(.provider = world.provider, .cancel = spuff_cancel_new());
    spuff_observer observer = {
        .size = sizeof observer, .progress = cancel_when_seen, .user_data = &watched};
    spuff_instance *made = NULL;
    watched.code =
        spuff_provider_wait_ready(world.provider, id, watched.cancel, &observer, &made, &error);
    CHECK(watched.code == SPUFF_CANCELLED && made == NULL && atomic_load(&watched.seen) >= 1, "%s",
          shown(spuff_error_text(error)));
    spuff_error_free(&error);
    call_free(&watched);

    struct call also = CALL(.provider = world.provider, .cancel = spuff_cancel_new());
    observer.user_data = &also;
    spuff_code code = spuff_provider_wait_ready_submit(world.provider, id, also.cancel, &observer,
                                                       on_instance, &also, &error);
    is_ok(code, &error, "submit");
    await(&also);
    CHECK(also.code == SPUFF_CANCELLED && atomic_load(&also.seen) >= 1, "%s",
          shown(spuff_error_text(also.error)));
    call_free(&also);

    struct call done = CALL(.provider = world.provider, .request = world_request("short"));
    code = spuff_provider_create_and_wait_submit(world.provider, done.request,
                                                 SPUFF_ON_FAILURE_DESTROY, NULL, NULL,
                                                 destroy_when_done, &done, &error);
    is_ok(code, &error, "submit");
    while (!was_delivered(&done)) {
        spuff_cloud_advance_ms(world.cloud, 60000);
        pause_ms(20);
    }
    CHECK(spuff_instance_is_ready(done.made) && done.deliveries == 1, "it was ready");
    call_free(&done);
}

/* A function of a provider in C that waits is told to end, and ends a create that nobody waits
 * for. */
static int32_t slow_create(void *self, const spuff_request *request, const spuff_cancel *cancel,
                           spuff_instance **out, spuff_error **error) {
    struct fake *fake = self;
    while (fake_count(fake) == 0 && !spuff_cancel_wait(cancel, 20)) {
    }
    pause_ms(50);
    return fake_create(self, request, cancel, out, error);
}

static int32_t slow_get(void *self, const char *id, const spuff_cancel *cancel,
                        spuff_instance **out, spuff_error **error) {
    (void)self, (void)id, (void)out;
    while (!spuff_cancel_wait(cancel, 60000)) {
    }
    return fake_fails(error, SPUFF_CANCELLED, "told to end");
}

static void foreign_calls_end(void) {
    static struct fake fake = {.lock = PTHREAD_MUTEX_INITIALIZER};
    spuff_provider_vtable table = fake_vtable(&fake);
    table.create_instance = slow_create;
    table.get_instance = slow_get;
    spuff_error *error = NULL;
    spuff_provider *provider = NULL;
    spuff_instance *found = NULL;
    is_ok(spuff_registry_register(world.registry, "fake", NULL, &table, &error), &error,
          "register");
    is_ok(spuff_registry_connect(world.registry, "fake", NULL, &provider, &error), &error,
          "connect");
    struct call call = CALL(.provider = provider, .cancel = spuff_cancel_new(),
                            .request = world_request("foreign"));
    start(&call, create_and_wait);
    pause_ms(100);
    spuff_cancel_cancel(call.cancel);
    pthread_join(call.thread, NULL);
    CHECK(call.code == SPUFF_CANCELLED, "%s", shown(spuff_error_text(call.error)));
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    CHECK(fake_count(&fake) == 0, "the fake is empty: %zu", fake_count(&fake));
    spuff_cancel *limit = spuff_cancel_with_deadline_ms(100);
    double since = now_ms();
    spuff_code code = spuff_provider_get_instance(provider, "fake-1", limit, &found, &error);
    CHECK(code == SPUFF_TIMEOUT && now_ms() - since < 1000, "%s", shown(spuff_error_text(error)));
    spuff_error_free(&error);
    spuff_cancel_free(&limit);
    spuff_provider_free(&provider);
    call_free(&call);
}

int main(void) {
    char id[64];
    spuff_error *error = NULL;
    spuff_instance *machine = NULL;
    world = world_open(0.0);
    spuff_request *request = world_request("patience");
    is_ok(spuff_provider_create_instance(world.provider, request, NULL, &machine, &error), &error,
          "create");
    snprintf(id, sizeof id, "%s", shown(spuff_instance_id(machine)));
    waits_end(id);
    uint64_t limit_ms = 600;
    while (!handles_go_early(id, limit_ms)) {
        NEED((limit_ms *= 2) < 30000, "a call ends long before its deadline");
    }
    foreign_calls_end();
    callbacks_call_spuff(id);
    creates_leave_nothing();
    is_ok(spuff_provider_destroy_instance(world.provider, id, NULL, &error), &error, "destroy");
    spuff_request_free(&request);
    spuff_instance_free(&machine);
    world_is_empty(&world);
    world_close(&world);
    return verdict("cancel");
}

/* The provider for Docker at a real engine, from C: a machine's life by verbs that block and by
 * verbs that call back, and errors; with the argument `conformance` the behaviour suite in their
 * place. tests/docker/with starts the engine. */
#include <pthread.h>

#include "world.h"

#define NAME_SIZE 64
#define ID_SIZE 128

static bool calls_back;

/* What came of a verb that was submitted: there is one at a time. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    int times;
    spuff_code code;
    void *made;
    spuff_error *error;
} answer = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void answered(spuff_code code, void *made, spuff_error *error) {
    pthread_mutex_lock(&answer.lock);
    answer.times++;
    answer.code = code;
    answer.made = made;
    answer.error = error;
    pthread_cond_signal(&answer.came);
    pthread_mutex_unlock(&answer.lock);
}

static void on_instance(void *user_data, spuff_code code, spuff_instance *made,
                        spuff_error *error) {
    (void)user_data;
    answered(code, made, error);
}

static void on_instances(void *user_data, spuff_code code, spuff_instances *made,
                         spuff_error *error) {
    (void)user_data;
    answered(code, made, error);
}

static void on_snapshot(void *user_data, spuff_code code, spuff_snapshot *made,
                        spuff_error *error) {
    (void)user_data;
    answered(code, made, error);
}

static void on_snapshots(void *user_data, spuff_code code, spuff_snapshots *made,
                         spuff_error *error) {
    (void)user_data;
    answered(code, made, error);
}

static void on_done(void *user_data, spuff_code code, spuff_error *error) {
    (void)user_data;
    answered(code, NULL, error);
}

/* Waits for what a submitted verb answers, and hands it over as the verb that blocks does. */
static spuff_code awaited(spuff_code submitted, void *out, spuff_error **error) {
    if (submitted != SPUFF_OK) {
        return submitted;
    }
    pthread_mutex_lock(&answer.lock);
    while (answer.times == 0) {
        pthread_cond_wait(&answer.came, &answer.lock);
    }
    CHECK(answer.times == 1, "a callback is called once");
    answer.times = 0;
    if (out != NULL) {
        memcpy(out, &answer.made, sizeof answer.made);
    }
    *error = answer.error;
    pthread_mutex_unlock(&answer.lock);
    return answer.code;
}

/* A verb in the form that is tested. */
#define MAKE(verb, on_answer, out, error, ...)                                                     \
    (calls_back ? awaited(spuff_provider_##verb##_submit(__VA_ARGS__, on_answer, NULL, error),     \
                          out, error)                                                              \
                : spuff_provider_##verb(__VA_ARGS__, out, error))
#define DO(verb, error, ...)                                                                       \
    (calls_back ? awaited(spuff_provider_##verb##_submit(__VA_ARGS__, on_done, NULL, error), NULL, \
                          error)                                                                   \
                : spuff_provider_##verb(__VA_ARGS__, error))

/* What Docker's own client prints, without the line's end; empty when it fails. */
static const char *docker(const char *format, ...) {
    static char told[4096];
    char command[512];
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(command, sizeof command, "docker ");
    vsnprintf(command + length, sizeof command - (size_t)length, format, arguments);
    va_end(arguments);
    FILE *pipe = popen(command, "r");
    NEED(pipe != NULL, "no pipe to %s", command);
    size_t size = fread(told, 1, sizeof told - 1, pipe);
    told[pclose(pipe) == 0 ? size : 0] = 0;
    told[strcspn(told, "\n")] = 0;
    return told;
}

/* The file of a machine, once its user data has written it. */
static const char *written(const char *id, const char *path) {
    const char *told = "";
    for (int tries = 0; tries < 200 && told[0] == 0; tries++) {
        told = docker("exec %s cat %s 2>/dev/null", id, path);
        pause_ms(told[0] == 0 ? 50 : 0);
    }
    return told;
}

static spuff_config *configured(const spuff_registry *registry) {
    spuff_config *config = spuff_config_new();
    spuff_error *error = NULL;
    NEED(is_ok(spuff_registry_config_from_env(registry, "docker", config, &error), &error,
               "config"),
         "no configuration");
    CHECK(same(spuff_config_endpoint(config), getenv("DOCKER_HOST")), "%s",
          shown(spuff_config_endpoint(config)));
    CHECK(spuff_config_token(config) == NULL, "an engine has no token");
    is_ok(spuff_config_set_timeout_ms(config, "poll_interval", 100, &error), &error,
          "poll_interval");
    is_ok(spuff_config_set_timeout_ms(config, "instance_ready", 60000, &error), &error,
          "instance_ready");
    return config;
}

static spuff_provider *connected(const spuff_registry *registry, const char *name,
                                 const spuff_config *config) {
    spuff_provider *provider = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(spuff_registry_connect(registry, name, config, &provider, &error), &error,
               "connect"),
         "no provider");
    return provider;
}

static spuff_request *wanted(const char *name, const char *image) {
    spuff_request *request = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(spuff_request_new(name, "", "0.5x64m", &request, &error), &error, "request"),
         "no request");
    is_ok(spuff_request_set_image(request, image, &error), &error, "image");
    is_ok(spuff_request_add_label(request, "test", "c", &error), &error, "label");
    return request;
}

/* Starts a machine, waits for it, and keeps its id. */
static void start(const spuff_provider *provider, const spuff_request *request, char *id) {
    spuff_instance *machine = NULL;
    spuff_error *error = NULL;
    NEED(is_ok(MAKE(create_instance, on_instance, &machine, &error, provider, request, NULL),
               &error, "create"),
         "no machine");
    snprintf(id, ID_SIZE, "%s", spuff_instance_id(machine));
    spuff_instance_free(&machine);
    if (is_ok(MAKE(wait_ready, on_instance, &machine, &error, provider, id, NULL, NULL), &error,
              "wait")) {
        CHECK(spuff_instance_is_ready(machine) && same(spuff_instance_id(machine), id),
              "%s is ready", id);
        CHECK(same(spuff_instance_name(machine), spuff_request_name(request)), "%s",
              shown(spuff_instance_name(machine)));
        CHECK(same(spuff_instance_region(machine), "bridge"), "%s",
              shown(spuff_instance_region(machine)));
        CHECK(same(spuff_instance_size(machine), "0.5x64m"), "%s",
              shown(spuff_instance_size(machine)));
        CHECK(same(spuff_instance_label(machine, "test"), "c"), "%s",
              shown(spuff_instance_label(machine, "test")));
        CHECK(same(docker("inspect --format '{{.NetworkSettings.IPAddress}}' %s", id),
                   spuff_instance_ip(machine)),
              "%s", shown(spuff_instance_ip(machine)));
    }
    spuff_instance_free(&machine);
}

static bool is_listed(const spuff_provider *provider, const char *id) {
    spuff_instances *machines = NULL;
    spuff_error *error = NULL;
    bool found = false;
    is_ok(MAKE(list_instances, on_instances, &machines, &error, provider, NULL), &error, "list");
    for (size_t at = 0; at < spuff_instances_count(machines); at++) {
        found |= same(spuff_instance_id(spuff_instances_get(machines, at)), id);
    }
    spuff_instances_free(&machines);
    return found;
}

static bool snapshot_is_listed(const spuff_provider *provider, const char *id) {
    spuff_snapshots *snapshots = NULL;
    spuff_error *error = NULL;
    bool found = false;
    is_ok(MAKE(list_snapshots, on_snapshots, &snapshots, &error, provider, NULL), &error,
          "list of snapshots");
    for (size_t at = 0; at < spuff_snapshots_count(snapshots); at++) {
        found |= same(spuff_snapshot_id(spuff_snapshots_get(snapshots, at)), id);
    }
    spuff_snapshots_free(&snapshots);
    return found;
}

static void end(const spuff_provider *provider, const char *id) {
    spuff_instance *machine = NULL;
    spuff_error *error = NULL;
    for (int times = 0; times < 2; times++) {
        is_ok(DO(destroy_instance, &error, provider, id, NULL), &error, "destroy");
    }
    is_ok(MAKE(get_instance, on_instance, &machine, &error, provider, id, NULL), &error, "get");
    CHECK(machine == NULL, "%s is gone", id);
    spuff_instance_free(&machine);
    CHECK(!is_listed(provider, id), "%s is listed", id);
    CHECK(same(docker("ps --all --quiet --filter id=%s", id), ""), "%s is still there", id);
}

static void life(const spuff_registry *registry) {
    char name[NAME_SIZE], copy[2 * NAME_SIZE], greeting[2 * NAME_SIZE], id[ID_SIZE],
        restored[ID_SIZE], image[ID_SIZE];
    spuff_config *config = configured(registry);
    spuff_snapshot *snapshot = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_config_set_option(config, "environment", "GREETING=hello\nSENDER=C, by test",
                                  &error),
          &error, "environment");
    is_ok(spuff_config_set_option(config, "ports", "127.0.0.1:0:7", &error), &error, "ports");
    spuff_provider *provider = NULL;
    CHECK(spuff_registry_connect(registry, "docker", config, &provider, &error) ==
              SPUFF_INVALID_CONFIG,
          "a port of 0");
    CHECK(same(spuff_error_field(error), "ports") && provider == NULL, "%s",
          shown(spuff_error_field(error)));
    spuff_error_free(&error);
    is_ok(spuff_config_set_option(config, "ports", "7", &error), &error, "ports");
    provider = connected(registry, "local", config);
    CHECK(same(spuff_provider_name(provider), "docker"), "%s",
          shown(spuff_provider_name(provider)));
    CHECK(spuff_provider_supports_snapshots(provider), "there are snapshots");

    snprintf(name, sizeof name, "c-%s", calls_back ? "calls-back" : "blocks");
    snprintf(copy, sizeof copy, "%s-copy", name);
    snprintf(greeting, sizeof greeting, "hello from C, by test on %s", name);
    spuff_request *request = wanted(name, "ubuntu:24.04");
    const char *script = "#!/bin/sh\necho \"$GREETING from $SENDER on $(hostname)\" >/root/.new && "
                         "mv /root/.new /root/greeting\n";
    is_ok(spuff_request_set_user_data(request, script, &error), &error, "user_data");
    start(provider, request, id);
    spuff_request_free(&request);
    CHECK(is_listed(provider, id), "%s is not listed", id);
    CHECK(same(written(id, "/root/greeting"), greeting), "its user data has written %s",
          docker("exec %s cat /root/greeting", id));
    CHECK(atoi(docker("port %s 7/tcp | sed 's/.*://'", id)) > 0, "its port is not published: %s",
          docker("port %s", id));

    is_ok(MAKE(create_snapshot, on_snapshot, &snapshot, &error, provider, id, "before", NULL, NULL),
          &error, "snapshot");
    CHECK(same(spuff_snapshot_name(snapshot), "before"), "%s",
          shown(spuff_snapshot_name(snapshot)));
    CHECK(snapshot_is_listed(provider, spuff_snapshot_id(snapshot)), "%s is not listed",
          shown(spuff_snapshot_id(snapshot)));
    snprintf(image, sizeof image, "snapshot:%s", shown(spuff_snapshot_id(snapshot)));
    request = wanted(copy, image);
    start(provider, request, restored);
    spuff_request_free(&request);
    /* The files come along, and the user data is not run again. */
    CHECK(same(docker("exec %s cat /root/greeting", restored), greeting), "%s",
          docker("exec %s cat /root/greeting", restored));

    end(provider, restored);
    CHECK(is_listed(provider, id) && snapshot_is_listed(provider, spuff_snapshot_id(snapshot)),
          "the others are still there");
    for (int times = 0; times < 2; times++) {
        is_ok(DO(delete_snapshot, &error, provider, spuff_snapshot_id(snapshot), NULL), &error,
              "delete");
    }
    CHECK(!snapshot_is_listed(provider, spuff_snapshot_id(snapshot)), "%s is listed",
          shown(spuff_snapshot_id(snapshot)));
    end(provider, id);
    spuff_snapshot_free(&snapshot);
    spuff_provider_free(&provider);
    spuff_config_free(&config);
}

static void errors(const spuff_registry *registry) {
    spuff_config *config = configured(registry);
    spuff_provider *provider = connected(registry, "docker", config);
    spuff_request *request = NULL;
    spuff_instance *machine = NULL;
    spuff_instances *machines = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_request_new("c-nowhere", "no-such-network", "", &request, &error), &error,
          "request");
    CHECK(MAKE(create_instance, on_instance, &machine, &error, provider, request, NULL) ==
              SPUFF_INVALID_CONFIG,
          "no network");
    CHECK(same(spuff_error_field(error), "region") && machine == NULL, "%s: %s",
          shown(spuff_error_field(error)), shown(spuff_error_text(error)));
    CHECK(strstr(shown(spuff_error_text(error)), "no-such-network") != NULL, "%s",
          shown(spuff_error_text(error)));
    spuff_error_free(&error);
    spuff_request_free(&request);
    spuff_provider_free(&provider);

    is_ok(spuff_config_set_endpoint(config, "unix:///nonexistent.sock", &error), &error,
          "endpoint");
    provider = connected(registry, "docker", config);
    CHECK(MAKE(list_instances, on_instances, &machines, &error, provider, NULL) == SPUFF_NETWORK,
          "no engine: %s", shown(spuff_error_text(error)));
    const char *text = shown(spuff_error_text(error));
    CHECK(strstr(text, "start Docker") != NULL && strstr(text, "DOCKER_HOST") != NULL,
          "it does not say what to do: %s", text);
    CHECK(strstr(text, "/nonexistent.sock") != NULL && machines == NULL,
          "it does not say where: %s", text);
    spuff_error_free(&error);
    spuff_provider_free(&provider);

    is_ok(spuff_config_set_token(config, "token", &error), &error, "token");
    CHECK(spuff_registry_connect(registry, "docker", config, &provider, &error) ==
              SPUFF_INVALID_CONFIG,
          "a token");
    CHECK(same(spuff_error_field(error), "token"), "%s", shown(spuff_error_field(error)));
    spuff_error_free(&error);
    spuff_config_free(&config);
}

static void conformance(const spuff_registry *registry) {
    char absent[65];
    spuff_config *config = configured(registry);
    spuff_request *request = NULL;
    spuff_report *report = NULL;
    spuff_error *error = NULL;
    memset(absent, '0', sizeof absent - 1);
    absent[sizeof absent - 1] = 0;
    is_ok(spuff_request_new("", "bridge", "0.5x64m", &request, &error), &error, "request");
    const spuff_subject subject = {.size = sizeof subject, .name = "docker", .config = config,
                                   .request = request, .absent_id = absent,
                                   .absent_snapshot_id = "absent", .default_size = true,
                                   .idempotent = true};
    spuff_code code = spuff_conformance_check(registry, &subject, NULL, &report, &error);
    is_ok(code, &error, "conformance");
    CHECK(spuff_report_is_passed(report), "the contract is not kept\n%s",
          shown(spuff_report_text(report)));
    spuff_report_free(&report);
    spuff_request_free(&request);
    spuff_config_free(&config);
}

int main(int count, char **arguments) {
    NEED(getenv("SPUFF_TEST_ENGINE_DIR") != NULL,
         "an engine of these tests' own: run them by tests/docker/with");
    NEED(spuff_has_feature("docker"), "the library has no docker");
    spuff_error *error = NULL;
    spuff_registry *registry = spuff_registry_with_defaults();
    if (count == 2 && same(arguments[1], "conformance")) {
        conformance(registry);
    } else {
        for (int form = 0; form < 2; form++) {
            calls_back = form == 1;
            life(registry);
            errors(registry);
        }
    }
    is_ok(spuff_settled(NULL, &error), &error, "settled");
    spuff_registry_free(&registry);
    return verdict(count == 2 ? arguments[1] : "docker");
}

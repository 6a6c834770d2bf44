/* The shared scenarios in C, over the calls that block or those that call back. README.md beside
 * this says how a scenario is written, and what is printed.
 *
 *     scenarios tests/scenarios/lifecycle.scenario hetzner blocking|callback
 */
#define _POSIX_C_SOURCE 200809L
#include "player.h"

/* ---- the steps ---- */

static void play_cloud(void) {
    spuff_cloud_options options = {.size = sizeof options};
    options.speed = (double)number("speed", 60);
    options.quota = number("quota", 0);
    options.token = word("token");
    spuff_error *error = NULL;
    must(spuff_cloud_start(&options, &cloud, &error), error);
}

static void play_fault(const char *rule) {
    char json[1024];
    const char *at = strstr(rule, "@provider");
    if (at)
        snprintf(json, sizeof json, "%.*s%s%s", (int)(at - rule), rule, provider_name,
                 at + strlen("@provider"));
    else snprintf(json, sizeof json, "%s", rule);
    spuff_error *error = NULL;
    must(spuff_cloud_inject(cloud, json, NULL, &error), error);
}

static void play_connect(void) {
    static const struct { const char *name; uint64_t ms; } timeouts[] = {
        {"instance_ready", 20000}, {"action_complete", 20000},
        {"poll_interval", 20}, {"http_request", 2000}};
    spuff_config *config = NULL;
    spuff_error *error = NULL;
    must(spuff_cloud_config(cloud, provider_name, &config, &error), error);
    for (size_t at = 0; at < sizeof timeouts / sizeof *timeouts; at++)
        must(spuff_config_set_timeout_ms(config, timeouts[at].name,
                                         number(timeouts[at].name, timeouts[at].ms), &error),
             error);
    if (word("token")) must(spuff_config_set_token(config, word("token"), &error), error);
    if (word("owner")) must(spuff_config_set_option(config, "owner", word("owner"), &error), error);
    spuff_provider *connected = NULL;
    if (spuff_registry_connect(registry, provider_name, config, &connected, &error) == SPUFF_OK) {
        spuff_provider_free(&provider);
        provider = connected;
        puts("ok");
    } else {
        show_error(error);
    }
    spuff_error_free(&error);
    spuff_config_free(&config);
}

static spuff_request *read_request_named(const char *name) {
    const bool is_do = strcmp(provider_name, "digitalocean") == 0;
    const bool is_hetzner = strcmp(provider_name, "hetzner") == 0;
    const char *region = word("region"), *size = word("size");
    if (!region) region = is_do ? "nyc3" : is_hetzner ? "fsn1" : "us-east-1";
    if (strcmp(region, "elsewhere") == 0)
        region = is_do ? "nyc1" : is_hetzner ? "nbg1" : "eu-west-1";
    if (!size) size = is_do ? "s-1vcpu-1gb" : is_hetzner ? "cx22" : "t3.micro";
    spuff_request *request = NULL;
    spuff_error *error = NULL;
    must(spuff_request_new(name, region, size, &request, &error), error);
    if (word("image")) must(spuff_request_set_image(request, word("image"), &error), error);
    if (word("key")) must(spuff_request_set_idempotency_key(request, word("key"), &error), error);
    if (word("owner")) must(spuff_request_set_owner(request, word("owner"), &error), error);
    if (word("ttl")) must(spuff_request_set_ttl_seconds(request, number("ttl", 0), &error), error);
    if (word("user_data"))
        must(spuff_request_set_user_data(request, word("user_data"), &error), error);
    if (word("user_data_size")) {
        size_t length = number("user_data_size", 0);
        char *data = malloc(length + 1);
        if (!data) give_up("no memory");
        memset(data, 'x', length);
        data[length] = '\0';
        must(spuff_request_set_user_data(request, data, &error), error);
        free(data);
    }
    if (word("on_cancel")) {
        const bool keep = strcmp(word("on_cancel"), "keep") == 0;
        const spuff_on_cancel on_cancel = keep ? SPUFF_ON_CANCEL_KEEP : SPUFF_ON_CANCEL_DESTROY;
        must(spuff_request_set_on_cancel(request, on_cancel, &error), error);
    }
    for (size_t at = 0; at < word_count; at++) {
        if (strcmp(words[at].name, "label") != 0) continue;
        char *value = strchr(words[at].value, ':');
        if (!value) give_up("a label without a value");
        *value++ = '\0';
        must(spuff_request_add_label(request, words[at].value, value, &error), error);
    }
    return request;
}

static spuff_request *read_request(void) { return read_request_named(text("name")); }

static void play_create(bool waits) {
    spuff_request *request = read_request();
    spuff_cancel *cancel = deadline();
    struct told told;
    if (waits) {
        const int on_failure = strcmp(text("on_failure"), "keep") == 0 ? SPUFF_ON_FAILURE_KEEP
                                                                       : SPUFF_ON_FAILURE_DESTROY;
        CALL(&told,
             spuff_provider_create_and_wait(provider, request, on_failure, cancel, NULL,
                                            &told.instance, &told.error),
             spuff_provider_create_and_wait_submit(provider, request, on_failure, cancel, NULL,
                                                   on_instance, &told, &refused));
    } else {
        CALL(&told,
             spuff_provider_create_instance(provider, request, cancel, &told.instance, &told.error),
             spuff_provider_create_instance_submit(provider, request, cancel, on_instance, &told,
                                                   &refused));
    }
    spuff_request_free(&request);
    spuff_cancel_free(&cancel);
    note(told.instance ? spuff_instance_id(told.instance) : spuff_error_instance_id(told.error));
    tell_instance(&told, waits);
}

/* One of several creates at once, on a thread where calls block. */
struct create {
    const spuff_request *request;
    struct told told;
    pthread_t thread;
};

static void *create_here(void *data) {
    struct create *create = data;
    create->told.code = spuff_provider_create_instance(provider, create->request, NULL,
                                                       &create->told.instance, &create->told.error);
    return NULL;
}

/* The outcome of one of several creates. */
static void show_outcome(char *line, const spuff_instance *instance, const spuff_error *error) {
    if (instance) show_instance(line, instance, false);
    else describe_error(line, error);
}

static void play_create_at_once(size_t times) {
    spuff_request *request = read_request();
    struct create *creates = calloc(times, sizeof *creates);
    char(*lines)[TEXT] = room(times);
    if (!creates) give_up("no memory");
    for (size_t at = 0; at < times; at++) {
        struct create *create = &creates[at];
        begin(&create->told);
        create->request = request;
        spuff_error *error = NULL;
        if (!calls_back) {
            if (pthread_create(&create->thread, NULL, create_here, create) != 0)
                give_up("no thread");
        } else {
            must(spuff_provider_create_instance_submit(provider, request, NULL, on_instance,
                                                       &create->told, &error),
                 error);
        }
    }
    for (size_t at = 0; at < times; at++) {
        if (calls_back) finish(&creates[at].told, SPUFF_OK, NULL);
        else pthread_join(creates[at].thread, NULL);
    }
    for (size_t at = 0; at < times; at++)
        if (creates[at].told.instance) {
            note(spuff_instance_id(creates[at].told.instance));
            break;
        }
    for (size_t at = 0; at < times; at++) {
        show_outcome(lines[at], creates[at].told.instance, creates[at].told.error);
        end(&creates[at].told);
    }
    tell_lines(lines, times);
    free(creates);
    spuff_request_free(&request);
}

static void play_create_fleet(void) {
    spuff_request *requests[MOST_WORDS];
    size_t count = 0;
    char names[TEXT], key[TEXT];
    snprintf(names, sizeof names, "%s", text("names"));
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        if (count == MOST_WORDS) give_up("too many names");
        spuff_error *error = NULL;
        requests[count] = read_request_named(name);
        if (word("keys")) {
            snprintf(key, sizeof key, "%s-%s", word("keys"), name);
            must(spuff_request_set_idempotency_key(requests[count], key, &error), error);
        }
        count++;
    }
    spuff_fleet_options options = {.size = sizeof options, .wait_ready = word("wait") != NULL};
    const char *on_failure = text("on_failure");
    options.on_failure = strcmp(on_failure, "keep") == 0          ? SPUFF_ROLLBACK_KEEP
                         : strcmp(on_failure, "destroy_all") == 0 ? SPUFF_ROLLBACK_DESTROY_ALL
                                                                  : SPUFF_ROLLBACK_DESTROY_FAILED;
    struct told told;
    CALL(&told,
         spuff_provider_create_instances(provider, (const spuff_request *const *)requests, count,
                                         &options, NULL, NULL, &told.outcomes, &told.error),
         spuff_provider_create_instances_submit(provider, (const spuff_request *const *)requests,
                                                count, &options, NULL, NULL, on_outcomes, &told,
                                                &refused));
    if (told.code != SPUFF_OK) give_up("%s", spuff_error_text(told.error));
    char(*lines)[TEXT] = room(count);
    for (size_t at = 0; at < count; at++) {
        show_outcome(lines[at], spuff_outcomes_instance(told.outcomes, at),
                     spuff_outcomes_error(told.outcomes, at));
        spuff_request_free(&requests[at]);
    }
    tell_lines(lines, count);
    end(&told);
}

static void get(struct told *told) {
    CALL(told,
         spuff_provider_get_instance(provider, text("id"), NULL, &told->instance, &told->error),
         spuff_provider_get_instance_submit(provider, text("id"), NULL, on_instance, told,
                                            &refused));
}

static void play_get(void) {
    struct told told;
    get(&told);
    tell_instance(&told, false);
}

static void play_gone(void) {
    struct told told;
    for (long waited = 0;; waited += 20) {
        get(&told);
        if (!told.instance || waited >= PATIENCE_MS) break;
        end(&told);
        pause_ms(20);
    }
    if (told.code != SPUFF_OK) show_error(told.error);
    else printf("ok %s\n", told.instance ? "false" : "true");
    end(&told);
}

static void play_wait(void) {
    spuff_cancel *cancel = deadline();
    struct told told;
    CALL(&told,
         spuff_provider_wait_ready(provider, text("id"), cancel, NULL, &told.instance, &told.error),
         spuff_provider_wait_ready_submit(provider, text("id"), cancel, NULL, on_instance, &told,
                                          &refused));
    spuff_cancel_free(&cancel);
    tell_instance(&told, true);
}

static void play_destroy(void) {
    struct told told;
    CALL(&told, spuff_provider_destroy_instance(provider, text("id"), NULL, &told.error),
         spuff_provider_destroy_instance_submit(provider, text("id"), NULL, on_done, &told,
                                                &refused));
    tell_done(&told);
}

static void play_delete_snapshot(void) {
    struct told told;
    CALL(&told, spuff_provider_delete_snapshot(provider, text("id"), NULL, &told.error),
         spuff_provider_delete_snapshot_submit(provider, text("id"), NULL, on_done, &told,
                                               &refused));
    tell_done(&told);
}

static void play_snapshot(void) {
    spuff_cancel *cancel = deadline();
    struct told told;
    CALL(&told,
         spuff_provider_create_snapshot(provider, text("id"), text("name"), cancel, NULL,
                                        &told.snapshot, &told.error),
         spuff_provider_create_snapshot_submit(provider, text("id"), text("name"), cancel, NULL,
                                               on_snapshot, &told, &refused));
    spuff_cancel_free(&cancel);
    note(spuff_snapshot_id(told.snapshot));
    tell_snapshot(&told);
}

static bool is_enough(const struct told *told, size_t found, long waited) {
    return told->code != SPUFF_OK || !word("count") || found == number("count", 0) ||
           waited >= PATIENCE_MS;
}

static void play_list(const char *owner) {
    struct told told;
    for (long waited = 0;; waited += 20) {
        if (owner) {
            begin(&told);
            told.code =
                spuff_provider_list_owned(provider, owner, NULL, &told.instances, &told.error);
        } else {
            CALL(&told, spuff_provider_list_instances(provider, NULL, &told.instances, &told.error),
                 spuff_provider_list_instances_submit(provider, NULL, on_instances, &told,
                                                      &refused));
        }
        if (is_enough(&told, spuff_instances_count(told.instances), waited)) break;
        end(&told);
        pause_ms(20);
    }
    if (told.code != SPUFF_OK) {
        show_error(told.error);
    } else {
        const size_t count = spuff_instances_count(told.instances);
        char(*lines)[TEXT] = room(count);
        for (size_t at = 0; at < count; at++)
            show_instance(lines[at], spuff_instances_get(told.instances, at), false);
        tell_lines(lines, count);
    }
    end(&told);
}

static void play_list_snapshots(bool labelled) {
    struct told told;
    for (long waited = 0;; waited += 20) {
        if (labelled) {
            begin(&told);
            told.code = spuff_provider_list_labelled_snapshots(provider, NULL, &told.snapshots,
                                                               &told.error);
        } else {
            CALL(&told, spuff_provider_list_snapshots(provider, NULL, &told.snapshots, &told.error),
                 spuff_provider_list_snapshots_submit(provider, NULL, on_snapshots, &told,
                                                      &refused));
        }
        if (is_enough(&told, spuff_snapshots_count(told.snapshots), waited)) break;
        end(&told);
        pause_ms(20);
    }
    if (told.code != SPUFF_OK) {
        show_error(told.error);
    } else {
        const size_t count = spuff_snapshots_count(told.snapshots);
        char(*lines)[TEXT] = room(count);
        for (size_t at = 0; at < count; at++)
            show_snapshot(lines[at], spuff_snapshots_get(told.snapshots, at), labelled);
        tell_lines(lines, count);
    }
    end(&told);
}

static void play_resolve(bool snapshot) {
    struct told told;
    if (snapshot) {
        CALL(&told,
             spuff_provider_resolve_snapshot(provider, text("key"), NULL, &told.snapshot,
                                             &told.error),
             spuff_provider_resolve_snapshot_submit(provider, text("key"), NULL, on_snapshot, &told,
                                                    &refused));
        note(spuff_snapshot_id(told.snapshot));
        tell_snapshot(&told);
    } else {
        CALL(&told,
             spuff_provider_resolve(provider, text("key"), NULL, &told.instance, &told.error),
             spuff_provider_resolve_submit(provider, text("key"), NULL, on_instance, &told,
                                           &refused));
        note(spuff_instance_id(told.instance));
        tell_instance(&told, false);
    }
}

static void play_set_labels(void) {
    const char *keys[MOST_WORDS], *values[MOST_WORDS];
    size_t count = 0;
    for (size_t at = 0; at < word_count; at++) {
        if (strcmp(words[at].name, "label") != 0) continue;
        char *value = strchr(words[at].value, ':');
        if (!value) give_up("a label without a value");
        *value = '\0';
        keys[count] = words[at].value;
        values[count++] = value + 1;
    }
    struct told told;
    begin(&told);
    told.code =
        spuff_provider_set_labels(provider, text("id"), keys, values, count, NULL, &told.error);
    tell_done(&told);
}

static void play_renew(void) {
    int64_t end_ms = 0;
    spuff_error *error = NULL;
    const spuff_code code = spuff_provider_renew(provider, text("id"), number("ttl", 0), NULL,
                                                 &end_ms, &error);
    if (code == SPUFF_OK)
        printf("ok later=%s\n", end_ms / 1000 > (int64_t)time(NULL) ? "true" : "false");
    else show_error(error);
    spuff_error_free(&error);
}

static void play_ssh_keys(void) {
    spuff_strings *keys = NULL;
    spuff_error *error = NULL;
    if (spuff_provider_get_ssh_keys(provider, NULL, &keys, &error) == SPUFF_OK)
        printf("ok count=%zu\n", spuff_strings_count(keys));
    else show_error(error);
    spuff_strings_free(&keys);
    spuff_error_free(&error);
}

static void play_reap(void) {
    spuff_reap *which = spuff_reap_new();
    if (word("owner")) spuff_reap_set_owner(which, word("owner"), NULL);
    if (word("older_than")) spuff_reap_set_older_than_seconds(which, number("older_than", 0), NULL);
    if (word("expired")) spuff_reap_set_expired(which, NULL);
    spuff_reap_set_dry_run(which, word("dry_run") != NULL, NULL);
    spuff_reap_set_confirm_within_ms(which, PATIENCE_MS, NULL);
    struct told told;
    CALL(&told, spuff_provider_reap(provider, which, NULL, NULL, &told.reaped, &told.error),
         spuff_provider_reap_submit(provider, which, NULL, NULL, on_reaped, &told, &refused));
    spuff_reap_free(&which);
    if (told.code != SPUFF_OK) {
        show_error(told.error);
    } else {
        const size_t count = spuff_reaped_count(told.reaped);
        char(*lines)[TEXT] = room(count);
        for (size_t at = 0; at < count; at++) {
            const char *owner = spuff_reaped_owner(told.reaped, at);
            const spuff_error *error = spuff_reaped_error(told.reaped, at);
            snprintf(lines[at], TEXT, "%s id=%s owner=%s gone=%s%s%s",
                     spuff_reaped_kind(told.reaped, at), show_id(spuff_reaped_id(told.reaped, at)),
                     owner ? owner : "-", spuff_reaped_is_gone(told.reaped, at) ? "true" : "false",
                     error ? " error=" : "", error ? spuff_code_name(spuff_error_code(error)) : "");
        }
        tell_lines(lines, count);
    }
    end(&told);
}

static size_t counted(spuff_resources *resources, bool also_ending) {
    size_t count = 0;
    for (size_t at = 0; at < spuff_resources_count(resources); at++)
        count += also_ending || !spuff_resources_is_ending(resources, at);
    spuff_resources_free(&resources);
    return count;
}

static void play_truth(void) {
    spuff_resources *instances = NULL, *snapshots = NULL, *leaks = NULL;
    spuff_error *error = NULL;
    must(spuff_cloud_instances(cloud, &instances, &error), error);
    must(spuff_cloud_snapshots(cloud, &snapshots, &error), error);
    must(spuff_cloud_leaks(cloud, &leaks, &error), error);
    printf("ok instances=%zu snapshots=%zu leaks=%zu\n", counted(instances, false),
           counted(snapshots, true), counted(leaks, true));
}

static void play_settled(void) {
    spuff_error *error = NULL;
    must(spuff_settled(NULL, &error), error);
    puts("ok");
}

static void play(char *line) {
    char step[32];
    size_t length = strcspn(line, " ");
    snprintf(step, sizeof step, "%.*s", (int)length, line);
    char *rest = line + length + (line[length] == ' ');
    if (strcmp(step, "fault") == 0) {
        play_fault(rest);
        return;
    }
    read_words(rest);
    if (strcmp(step, "cloud") == 0) {
        play_cloud();
        return;
    }
    if (strcmp(step, "no_faults") == 0) {
        spuff_cloud_clear_faults(cloud);
        return;
    }
    printf("%s: ", step);
    if (strcmp(step, "connect") == 0) play_connect();
    else if (strcmp(step, "create") == 0 && word("at_once"))
        play_create_at_once(number("at_once", 1));
    else if (strcmp(step, "create") == 0) play_create(false);
    else if (strcmp(step, "create_fleet") == 0) play_create_fleet();
    else if (strcmp(step, "create_and_wait") == 0) play_create(true);
    else if (strcmp(step, "get") == 0) play_get();
    else if (strcmp(step, "gone") == 0) play_gone();
    else if (strcmp(step, "wait") == 0) play_wait();
    else if (strcmp(step, "destroy") == 0) play_destroy();
    else if (strcmp(step, "list") == 0) play_list(NULL);
    else if (strcmp(step, "list_owned") == 0) play_list(text("owner"));
    else if (strcmp(step, "snapshot") == 0) play_snapshot();
    else if (strcmp(step, "list_snapshots") == 0) play_list_snapshots(false);
    else if (strcmp(step, "list_labelled_snapshots") == 0) play_list_snapshots(true);
    else if (strcmp(step, "delete_snapshot") == 0) play_delete_snapshot();
    else if (strcmp(step, "resolve") == 0) play_resolve(false);
    else if (strcmp(step, "resolve_snapshot") == 0) play_resolve(true);
    else if (strcmp(step, "set_labels") == 0) play_set_labels();
    else if (strcmp(step, "renew") == 0) play_renew();
    else if (strcmp(step, "ssh_keys") == 0) play_ssh_keys();
    else if (strcmp(step, "reap") == 0) play_reap();
    else if (strcmp(step, "supports_snapshots") == 0)
        printf("ok %s\n", spuff_provider_supports_snapshots(provider) ? "true" : "false");
    else if (strcmp(step, "settled") == 0) play_settled();
    else if (strcmp(step, "truth") == 0) play_truth();
    else give_up("there is no such step");
}

int main(int count, char **arguments) {
    if (count != 4) {
        fprintf(stderr, "give a file, a provider, and blocking or callback\n");
        return 1;
    }
    provider_name = arguments[2];
    calls_back = strcmp(arguments[3], "callback") == 0;
    FILE *file = fopen(arguments[1], "r");
    if (!file) {
        perror(arguments[1]);
        return 1;
    }
    registry = spuff_registry_with_defaults();
    char line[2048], copy[2048];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#') continue;
        snprintf(copy, sizeof copy, "%s", line);
        current_line = copy;
        play(line);
    }
    fclose(file);
    spuff_provider_free(&provider);
    spuff_registry_free(&registry);
    spuff_cloud_free(&cloud);
    return 0;
}

/* What the player of scenarios in C reads and says: the words of a line, the ids that it has named,
 * and outcomes as text. */
#ifndef PLAYER_H
#define PLAYER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spuff.h"

enum { MOST_WORDS = 16, MOST_IDS = 64, TEXT = 512, PATIENCE_MS = 20000 };

static const char *provider_name;
static bool calls_back;
static spuff_cloud *cloud;
static spuff_provider *provider;
static spuff_registry *registry;
static struct { char name[32], id[128]; } ids[MOST_IDS];
static size_t id_count;
static char last_key[128];
static const char *current_line;

/* The step at work cannot be played. */
static void give_up(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", current_line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void must(spuff_code code, spuff_error *error) {
    if (code != SPUFF_OK) give_up("%s", spuff_error_text(error));
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- a step's arguments ---- */

static struct { const char *name; char value[1024]; } words[MOST_WORDS];
static size_t word_count;

static const char *id_named(const char *name) {
    if (strcmp(name, "error") == 0) return last_key;
    for (size_t at = 0; at < id_count; at++)
        if (strcmp(ids[at].name, name) == 0) return ids[at].id;
    return NULL;
}

static const char *show_id(const char *id) {
    static char shown[40];
    for (size_t at = 0; at < id_count; at++)
        if (strcmp(ids[at].id, id) == 0) {
            snprintf(shown, sizeof shown, "@%s", ids[at].name);
            return shown;
        }
    return "?";
}

static void read_words(char *rest) {
    word_count = 0;
    for (char *word = strtok(rest, " "); word; word = strtok(NULL, " ")) {
        if (word_count == MOST_WORDS) give_up("too many arguments");
        char *value = strchr(word, '=');
        if (value) *value++ = '\0';
        char *at = value ? strrchr(value, '@') : NULL;
        const char *id = at ? id_named(at + 1) : NULL;
        if (id) *at = '\0';
        words[word_count].name = word;
        snprintf(words[word_count].value, sizeof words->value, "%s%s", value ? value : "",
                 id ? id : "");
        word_count++;
    }
}

static const char *word(const char *name) {
    for (size_t at = 0; at < word_count; at++)
        if (strcmp(words[at].name, name) == 0) return words[at].value;
    return NULL;
}

static const char *text(const char *name) {
    const char *value = word(name);
    return value ? value : "";
}

static uint64_t number(const char *name, uint64_t missing) {
    const char *value = word(name);
    return value ? strtoull(value, NULL, 10) : missing;
}

static void note(const char *id) {
    const char *name = word("as");
    if (!name || !id) return;
    if (id_count == MOST_IDS) give_up("too many ids");
    snprintf(ids[id_count].name, sizeof ids->name, "%s", name);
    snprintf(ids[id_count++].id, sizeof ids->id, "%s", id);
}

static spuff_cancel *deadline(void) {
    const char *value = word("deadline");
    return value ? spuff_cancel_with_deadline_ms(strtoull(value, NULL, 10)) : NULL;
}

/* ---- what a call has told, whichever way it was made ---- */

struct told {
    spuff_code code;
    spuff_instance *instance;
    spuff_instances *instances;
    spuff_snapshot *snapshot;
    spuff_snapshots *snapshots;
    spuff_reaped *reaped;
    spuff_outcomes *outcomes;
    spuff_error *error;
    bool is_done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void done(struct told *told, spuff_code code, spuff_error *error) {
    pthread_mutex_lock(&told->lock);
    told->code = code;
    told->error = error;
    told->is_done = true;
    pthread_cond_signal(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

static void on_done(void *data, spuff_code code, spuff_error *error) { done(data, code, error); }
#define ON(field)                                                                                  \
    static void on_##field(void *data, spuff_code code, spuff_##field *made, spuff_error *error) { \
        ((struct told *)data)->field = made;                                                       \
        done(data, code, error);                                                                   \
    }
ON(instance)
ON(instances)
ON(snapshot)
ON(snapshots)
ON(reaped)
ON(outcomes)

static void begin(struct told *told) {
    memset(told, 0, sizeof *told);
    pthread_mutex_init(&told->lock, NULL);
    pthread_cond_init(&told->changed, NULL);
}

/* Waits for a callback, of a call that could be submitted. */
static void finish(struct told *told, spuff_code submitted, spuff_error *error) {
    if (submitted != SPUFF_OK) {
        told->code = submitted;
        told->error = error;
        return;
    }
    pthread_mutex_lock(&told->lock);
    while (!told->is_done) pthread_cond_wait(&told->changed, &told->lock);
    pthread_mutex_unlock(&told->lock);
}

static void end(struct told *told) {
    spuff_instance_free(&told->instance);
    spuff_instances_free(&told->instances);
    spuff_snapshot_free(&told->snapshot);
    spuff_snapshots_free(&told->snapshots);
    spuff_reaped_free(&told->reaped);
    spuff_outcomes_free(&told->outcomes);
    spuff_error_free(&told->error);
    pthread_mutex_destroy(&told->lock);
    pthread_cond_destroy(&told->changed);
}

/* Makes a call in the face that is played: `blocking` and `submit` are the calls but for their last
 * arguments. */
#define CALL(told, blocking, submit)                                                               \
    do {                                                                                           \
        begin(told);                                                                               \
        if (calls_back) {                                                                          \
            spuff_error *refused = NULL;                                                           \
            spuff_code submitted = submit;                                                         \
            finish(told, submitted, refused);                                                      \
        } else {                                                                                   \
            (told)->code = blocking;                                                               \
        }                                                                                          \
    } while (0)

/* ---- what is printed ---- */

static const char *show_label(const char *key, const char *value) {
    static const char *const hidden[] = {"spuff-key", "spuff-digest", "spuff-expires"};
    for (size_t at = 0; at < sizeof hidden / sizeof *hidden; at++)
        if (strcmp(key, hidden[at]) == 0) return "*";
    return value;
}

static void show_instance(char *line, const spuff_instance *instance, bool with_state) {
    int length = snprintf(line, TEXT, "id=%s name=%s region=%s size=%s",
                          show_id(spuff_instance_id(instance)), spuff_instance_name(instance),
                          spuff_instance_region(instance), spuff_instance_size(instance));
    if (with_state)
        length += snprintf(line + length, TEXT - (size_t)length, " status=%s ready=%s",
                           spuff_instance_status_word(instance),
                           spuff_instance_is_ready(instance) ? "true" : "false");
    length += snprintf(line + length, TEXT - (size_t)length, " labels=");
    for (size_t at = 0; at < spuff_instance_label_count(instance); at++) {
        const char *key = spuff_instance_label_key(instance, at);
        length += snprintf(line + length, TEXT - (size_t)length, "%s%s:%s", at ? "," : "", key,
                           show_label(key, spuff_instance_label_value(instance, at)));
    }
}

static void show_snapshot(char *line, const spuff_snapshot *snapshot, bool with_labels) {
    int length = snprintf(line, TEXT, "id=%s name=%s", show_id(spuff_snapshot_id(snapshot)),
                          spuff_snapshot_name(snapshot));
    if (with_labels) length += snprintf(line + length, TEXT - (size_t)length, " labels=");
    for (size_t at = 0; with_labels && at < spuff_snapshot_label_count(snapshot); at++) {
        const char *key = spuff_snapshot_label_key(snapshot, at);
        length += snprintf(line + length, TEXT - (size_t)length, "%s%s:%s", at ? "," : "", key,
                           show_label(key, spuff_snapshot_label_value(snapshot, at)));
    }
}

static int field(char *line, const char *name, const char *value) {
    return value ? snprintf(line, TEXT, " %s=%s", name, value) : 0;
}

static void describe_error(char *line, const spuff_error *error) {
    char number_text[24];
    const char *truth[] = {"false", "true"};
    line += snprintf(line, TEXT, "error kind=%s", spuff_code_name(spuff_error_code(error)));
    line += field(line, "provider", spuff_error_provider(error));
    snprintf(number_text, sizeof number_text, "%d", spuff_error_status(error));
    line += field(line, "status", spuff_error_status(error) ? number_text : NULL);
    line += field(line, "code", spuff_error_cloud_code(error));
    line += field(line, "retryable", truth[spuff_error_is_retryable(error)]);
    line += field(line, "field", spuff_error_field(error));
    line += field(line, "resource_type", spuff_error_resource_type(error));
    line += field(line, "feature", spuff_error_feature(error));
    const char *operation = spuff_error_operation(error);
    if (operation)
        line += snprintf(line, TEXT, " operation=%.*s", (int)strcspn(operation, " "), operation);
    line += field(line, "key", spuff_error_key(error) ? "yes" : NULL);
    snprintf(number_text, sizeof number_text, "%zu", spuff_error_candidate_count(error));
    line += field(line, "candidates", spuff_error_candidate_count(error) ? number_text : NULL);
    const char *id = spuff_error_instance_id(error);
    line += field(line, "instance", id ? show_id(id) : NULL);
    if (spuff_error_instance_exists(error) >= 0)
        field(line, "exists", truth[spuff_error_instance_exists(error)]);
}

static void show_error(const spuff_error *error) {
    char line[4 * TEXT];
    describe_error(line, error);
    puts(line);
    const char *key = spuff_error_key(error);
    snprintf(last_key, sizeof last_key, "%s", key ? key : "");
}

/* Tells a call without a result, and ends it. */
static void tell_done(struct told *told) {
    if (told->code == SPUFF_OK) puts("ok");
    else show_error(told->error);
    end(told);
}

static void tell_instance(struct told *told, bool with_state) {
    char line[TEXT] = "";
    if (told->instance) show_instance(line, told->instance, with_state);
    if (told->code != SPUFF_OK) show_error(told->error);
    else if (told->instance) printf("ok %s\n", line);
    else puts("none");
    end(told);
}

static void tell_snapshot(struct told *told) {
    char line[TEXT] = "";
    if (told->snapshot) show_snapshot(line, told->snapshot, false);
    if (told->code != SPUFF_OK) show_error(told->error);
    else if (told->snapshot) printf("ok %s\n", line);
    else puts("none");
    end(told);
}

static int by_text(const void *one, const void *other) { return strcmp(one, other); }

/* Prints the items of a list in the order of their texts. */
static void tell_lines(char (*lines)[TEXT], size_t count) {
    qsort(lines, count, TEXT, by_text);
    printf("ok count=%zu\n", count);
    for (size_t at = 0; at < count; at++) printf("  %s\n", lines[at]);
    free(lines);
}

static char (*room(size_t count))[TEXT] {
    char(*lines)[TEXT] = calloc(count + 1, TEXT);
    if (!lines) give_up("no memory");
    return lines;
}

#endif

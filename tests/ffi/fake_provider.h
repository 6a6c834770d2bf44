/* A provider in C whose machines stand on a fake in memory; it counts how often it is connected,
 * disconnected and dropped. */
#ifndef SPUFF_TEST_FAKE_PROVIDER_H
#define SPUFF_TEST_FAKE_PROVIDER_H

#include <pthread.h>

#include "world.h"

#define FAKE_SLOTS 256
#define FAKE_LABELS 8

struct fake_machine {
    bool used;
    char id[24];
    char name[64];
    char labels[FAKE_LABELS][2][128];
    size_t label_count;
};

struct fake {
    pthread_mutex_t lock;
    unsigned last_id;
    struct fake_machine machines[FAKE_SLOTS];
    atomic_int connected, disconnected, dropped, calls;
};

static inline void fake_copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", shown(from));
}

static inline int32_t fake_fails(spuff_error **error, int32_t code, const char *why) {
    spuff_error_new(code, why, error, NULL);
    return code;
}

static inline spuff_instance *fake_handle(const struct fake_machine *machine) {
    spuff_instance *made = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_instance_new(machine->id, &made, &error), &error, "spuff_instance_new");
    is_ok(spuff_instance_describe(made, machine->name, "attic", "small", &error), &error,
          "spuff_instance_describe");
    is_ok(spuff_instance_set_status(made, "active", &error), &error, "spuff_instance_set_status");
    is_ok(spuff_instance_add_address(made, "192.0.2.7", true, &error), &error,
          "spuff_instance_add_address");
    for (size_t at = 0; at < machine->label_count; at++) {
        spuff_code code =
            spuff_instance_add_label(made, machine->labels[at][0], machine->labels[at][1], &error);
        is_ok(code, &error, "spuff_instance_add_label");
    }
    return made;
}

static inline struct fake_machine *fake_find(struct fake *fake, const char *id) {
    for (size_t at = 0; at < FAKE_SLOTS; at++) {
        if (fake->machines[at].used && same(fake->machines[at].id, id)) {
            return &fake->machines[at];
        }
    }
    return NULL;
}

static inline size_t fake_count(struct fake *fake) {
    size_t count = 0;
    pthread_mutex_lock(&fake->lock);
    for (size_t at = 0; at < FAKE_SLOTS; at++) {
        count += fake->machines[at].used;
    }
    pthread_mutex_unlock(&fake->lock);
    return count;
}

static inline int32_t fake_connect(void *user_data, const spuff_config *config, void **self,
                                   spuff_error **error) {
    struct fake *fake = user_data;
    if (same(spuff_config_option(config, "fake"), "locked")) {
        return fake_fails(error, SPUFF_AUTHENTICATION, "the fake is locked");
    }
    atomic_fetch_add(&fake->connected, 1);
    *self = fake;
    return SPUFF_OK;
}

static inline void fake_disconnect(void *self) {
    atomic_fetch_add(&((struct fake *)self)->disconnected, 1);
}

static inline void fake_drop(void *user_data) {
    atomic_fetch_add(&((struct fake *)user_data)->dropped, 1);
}

static inline int32_t fake_create(void *self, const spuff_request *request,
                                  const spuff_cancel *cancel, spuff_instance **out,
                                  spuff_error **error) {
    struct fake *fake = self;
    atomic_fetch_add(&fake->calls, 1);
    spuff_cancel_wait(cancel, 1);
    pthread_mutex_lock(&fake->lock);
    for (size_t at = 0; at < FAKE_SLOTS; at++) {
        struct fake_machine *machine = &fake->machines[at];
        if (machine->used) {
            continue;
        }
        *machine = (struct fake_machine){.used = true};
        snprintf(machine->id, sizeof machine->id, "fake-%u", ++fake->last_id);
        fake_copy(machine->name, sizeof machine->name, spuff_request_name(request));
        while (machine->label_count < FAKE_LABELS &&
               machine->label_count < spuff_request_label_count(request)) {
            char (*label)[128] = machine->labels[machine->label_count];
            fake_copy(label[0], sizeof label[0],
                      spuff_request_label_key(request, machine->label_count));
            fake_copy(label[1], sizeof label[1],
                      spuff_request_label_value(request, machine->label_count));
            machine->label_count++;
        }
        *out = fake_handle(machine);
        pthread_mutex_unlock(&fake->lock);
        return SPUFF_OK;
    }
    pthread_mutex_unlock(&fake->lock);
    return fake_fails(error, SPUFF_CAPACITY, "the fake is full");
}

static inline int32_t fake_destroy(void *self, const char *id, const spuff_cancel *cancel,
                                   spuff_error **error) {
    struct fake *fake = self;
    (void)cancel, (void)error;
    atomic_fetch_add(&fake->calls, 1);
    pthread_mutex_lock(&fake->lock);
    struct fake_machine *machine = fake_find(fake, id);
    if (machine != NULL) {
        machine->used = false;
    }
    pthread_mutex_unlock(&fake->lock);
    return SPUFF_OK;
}

static inline int32_t fake_get(void *self, const char *id, const spuff_cancel *cancel,
                               spuff_instance **out, spuff_error **error) {
    struct fake *fake = self;
    (void)cancel;
    atomic_fetch_add(&fake->calls, 1);
    if (same(id, "haunted")) {
        return fake_fails(error, SPUFF_UNAVAILABLE, "there is a ghost on the fake");
    }
    pthread_mutex_lock(&fake->lock);
    const struct fake_machine *machine = fake_find(fake, id);
    *out = machine == NULL ? NULL : fake_handle(machine);
    pthread_mutex_unlock(&fake->lock);
    return SPUFF_OK;
}

static inline int32_t fake_list(void *self, const spuff_cancel *cancel, spuff_instances *list,
                                spuff_error **error) {
    struct fake *fake = self;
    (void)cancel;
    atomic_fetch_add(&fake->calls, 1);
    pthread_mutex_lock(&fake->lock);
    for (size_t at = 0; at < FAKE_SLOTS; at++) {
        if (fake->machines[at].used) {
            spuff_instance *found = fake_handle(&fake->machines[at]);
            CHECK(spuff_instances_push(list, &found, error) == SPUFF_OK && found == NULL,
                  "the list takes a machine");
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return SPUFF_OK;
}

static inline int32_t fake_keys(void *self, const spuff_cancel *cancel, spuff_strings *list,
                                spuff_error **error) {
    (void)cancel;
    atomic_fetch_add(&((struct fake *)self)->calls, 1);
    return spuff_strings_push(list, "a key", error);
}

static inline spuff_provider_vtable fake_vtable(struct fake *fake) {
    return (spuff_provider_vtable){
        .size = sizeof(spuff_provider_vtable),
        .user_data = fake,
        .drop = fake_drop,
        .connect = fake_connect,
        .disconnect = fake_disconnect,
        .create_instance = fake_create,
        .destroy_instance = fake_destroy,
        .get_instance = fake_get,
        .list_instances = fake_list,
        .get_ssh_keys = fake_keys,
    };
}

#endif

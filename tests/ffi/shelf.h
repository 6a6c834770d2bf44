/* A provider in C whose machines stand on a shelf in memory; it counts how often it is connected, disconnected and dropped. */
#ifndef SPUFF_TEST_SHELF_H
#define SPUFF_TEST_SHELF_H

#include <pthread.h>

#include "world.h"

#define SHELF_SLOTS 256
#define SHELF_LABELS 8

struct shelf_machine {
    bool used;
    char id[24];
    char name[64];
    char labels[SHELF_LABELS][2][128];
    size_t label_count;
};

struct shelf {
    pthread_mutex_t lock;
    unsigned last_id;
    struct shelf_machine machines[SHELF_SLOTS];
    atomic_int connected, disconnected, dropped, calls;
};

static inline void shelf_copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", shown(from));
}

static inline int32_t shelf_fails(spuff_error **error, int32_t code, const char *why) {
    spuff_error_new(code, why, error, NULL);
    return code;
}

static inline spuff_instance *shelf_handle(const struct shelf_machine *machine) {
    spuff_instance *made = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_instance_new(machine->id, &made, &error), &error, "spuff_instance_new");
    is_ok(spuff_instance_describe(made, machine->name, "attic", "small", &error), &error, "spuff_instance_describe");
    is_ok(spuff_instance_set_status(made, "active", &error), &error, "spuff_instance_set_status");
    is_ok(spuff_instance_add_address(made, "192.0.2.7", true, &error), &error, "spuff_instance_add_address");
    for (size_t at = 0; at < machine->label_count; at++) {
        spuff_code code = spuff_instance_add_label(made, machine->labels[at][0], machine->labels[at][1], &error);
        is_ok(code, &error, "spuff_instance_add_label");
    }
    return made;
}

static inline struct shelf_machine *shelf_find(struct shelf *shelf, const char *id) {
    for (size_t at = 0; at < SHELF_SLOTS; at++) {
        if (shelf->machines[at].used && same(shelf->machines[at].id, id)) {
            return &shelf->machines[at];
        }
    }
    return NULL;
}

static inline size_t shelf_count(struct shelf *shelf) {
    size_t count = 0;
    pthread_mutex_lock(&shelf->lock);
    for (size_t at = 0; at < SHELF_SLOTS; at++) {
        count += shelf->machines[at].used;
    }
    pthread_mutex_unlock(&shelf->lock);
    return count;
}

static inline int32_t shelf_connect(void *user_data, const spuff_config *config, void **self, spuff_error **error) {
    struct shelf *shelf = user_data;
    if (same(spuff_config_option(config, "shelf"), "locked")) {
        return shelf_fails(error, SPUFF_AUTHENTICATION, "the shelf is locked");
    }
    atomic_fetch_add(&shelf->connected, 1);
    *self = shelf;
    return SPUFF_OK;
}

static inline void shelf_disconnect(void *self) {
    atomic_fetch_add(&((struct shelf *)self)->disconnected, 1);
}

static inline void shelf_drop(void *user_data) {
    atomic_fetch_add(&((struct shelf *)user_data)->dropped, 1);
}

static inline int32_t shelf_create(void *self, const spuff_request *request, const spuff_cancel *cancel, spuff_instance **out,
                                   spuff_error **error) {
    struct shelf *shelf = self;
    atomic_fetch_add(&shelf->calls, 1);
    spuff_cancel_wait(cancel, 1);
    pthread_mutex_lock(&shelf->lock);
    for (size_t at = 0; at < SHELF_SLOTS; at++) {
        struct shelf_machine *machine = &shelf->machines[at];
        if (machine->used) {
            continue;
        }
        *machine = (struct shelf_machine){.used = true};
        snprintf(machine->id, sizeof machine->id, "shelf-%u", ++shelf->last_id);
        shelf_copy(machine->name, sizeof machine->name, spuff_request_name(request));
        while (machine->label_count < SHELF_LABELS && machine->label_count < spuff_request_label_count(request)) {
            char (*label)[128] = machine->labels[machine->label_count];
            shelf_copy(label[0], sizeof label[0], spuff_request_label_key(request, machine->label_count));
            shelf_copy(label[1], sizeof label[1], spuff_request_label_value(request, machine->label_count));
            machine->label_count++;
        }
        *out = shelf_handle(machine);
        pthread_mutex_unlock(&shelf->lock);
        return SPUFF_OK;
    }
    pthread_mutex_unlock(&shelf->lock);
    return shelf_fails(error, SPUFF_CAPACITY, "the shelf is full");
}

static inline int32_t shelf_destroy(void *self, const char *id, const spuff_cancel *cancel, spuff_error **error) {
    struct shelf *shelf = self;
    (void)cancel, (void)error;
    atomic_fetch_add(&shelf->calls, 1);
    pthread_mutex_lock(&shelf->lock);
    struct shelf_machine *machine = shelf_find(shelf, id);
    if (machine != NULL) {
        machine->used = false;
    }
    pthread_mutex_unlock(&shelf->lock);
    return SPUFF_OK;
}

static inline int32_t shelf_get(void *self, const char *id, const spuff_cancel *cancel, spuff_instance **out,
                                spuff_error **error) {
    struct shelf *shelf = self;
    (void)cancel;
    atomic_fetch_add(&shelf->calls, 1);
    if (same(id, "haunted")) {
        return shelf_fails(error, SPUFF_UNAVAILABLE, "there is a ghost on the shelf");
    }
    pthread_mutex_lock(&shelf->lock);
    const struct shelf_machine *machine = shelf_find(shelf, id);
    *out = machine == NULL ? NULL : shelf_handle(machine);
    pthread_mutex_unlock(&shelf->lock);
    return SPUFF_OK;
}

static inline int32_t shelf_list(void *self, const spuff_cancel *cancel, spuff_instances *list, spuff_error **error) {
    struct shelf *shelf = self;
    (void)cancel;
    atomic_fetch_add(&shelf->calls, 1);
    pthread_mutex_lock(&shelf->lock);
    for (size_t at = 0; at < SHELF_SLOTS; at++) {
        if (shelf->machines[at].used) {
            spuff_instance *found = shelf_handle(&shelf->machines[at]);
            CHECK(spuff_instances_push(list, &found, error) == SPUFF_OK && found == NULL, "the list takes a machine");
        }
    }
    pthread_mutex_unlock(&shelf->lock);
    return SPUFF_OK;
}

static inline int32_t shelf_keys(void *self, const spuff_cancel *cancel, spuff_strings *list, spuff_error **error) {
    (void)cancel;
    atomic_fetch_add(&((struct shelf *)self)->calls, 1);
    return spuff_strings_push(list, "a key", error);
}

static inline spuff_provider_vtable shelf_vtable(struct shelf *shelf) {
    return (spuff_provider_vtable){
        .size = sizeof(spuff_provider_vtable),
        .user_data = shelf,
        .drop = shelf_drop,
        .connect = shelf_connect,
        .disconnect = shelf_disconnect,
        .create_instance = shelf_create,
        .destroy_instance = shelf_destroy,
        .get_instance = shelf_get,
        .list_instances = shelf_list,
        .get_ssh_keys = shelf_keys,
    };
}

#endif

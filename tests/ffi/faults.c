/* Mistakes that are made on purpose: proof that a tool which should see them does. The argument
 * says which. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spuff.h"

static int shared;

static void *write_shared(void *given) {
    for (int at = 0; at < 1000; at++) {
        shared += *(int *)given;
    }
    return NULL;
}

/* A configuration may be changed by one thread at a time: that this mistake is found is proof
 * inside the library. */
static void *read_config(void *config) {
    printf("%lld\n", (long long)spuff_config_timeout_ms(config, "poll_interval"));
    return NULL;
}

int main(int count, char **arguments) {
    const char *fault = count > 1 ? arguments[1] : "";
    volatile int many = count;
    if (strcmp(fault, "none") == 0) {
        printf("%s\n", spuff_version());
    } else if (strcmp(fault, "overflow") == 0) {
        char *room = malloc((size_t)many);
        room[many] = 'x';
        printf("%d\n", room[many]);
        free(room);
    } else if (strcmp(fault, "leak") == 0) {
        spuff_config *volatile config = spuff_config_new();
        config = NULL;
        printf("%p\n", (void *)config);
    } else if (strcmp(fault, "signed") == 0) {
        many = INT_MAX;
        many = many + count;
        printf("%d\n", many);
    } else if (strcmp(fault, "freed") == 0) {
        spuff_instance *machine = NULL;
        spuff_instance_new("7", &machine, NULL);
        spuff_instance *again = machine;
        spuff_instance_free(&machine);
        printf("%lld\n", (long long)spuff_instance_created_at_ms(again));
    } else if (strcmp(fault, "twice") == 0) {
        spuff_config *config = spuff_config_new();
        spuff_config *again = config;
        spuff_config_free(&config);
        spuff_config_free(&again);
    } else if (strcmp(fault, "race") == 0) {
        pthread_t threads[2];
        for (int at = 0; at < 2; at++) {
            pthread_create(&threads[at], NULL, write_shared, &count);
        }
        for (int at = 0; at < 2; at++) {
            pthread_join(threads[at], NULL);
        }
        printf("%d\n", shared);
    } else if (strcmp(fault, "unshared") == 0) {
        spuff_config *config = spuff_config_new();
        pthread_t thread;
        pthread_create(&thread, NULL, read_config, config);
        spuff_config_set_timeout_ms(config, "poll_interval", 1, NULL);
        pthread_join(thread, NULL);
        spuff_config_free(&config);
    } else {
        return 2;
    }
    return 0;
}

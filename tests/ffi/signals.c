/* The program's signals, in a program that has no handlers: `signals masks` looks who takes them;
 * `signals pipe ENDPOINT CA_FILE COUNT` reads at a server that closes each connection, where a
 * SIGPIPE that gets through ends the program. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include <unistd.h>

#include "world.h"

/* A mask of a thread, as /proc shows it. */
static unsigned long long blocked_by(const char *task) {
    char path[300], line[256];
    unsigned long long mask = 0;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        sscanf(line, "SigBlk: %llx", &mask);
    }
    if (status != NULL) fclose(status);
    return mask;
}

static bool blocks(unsigned long long mask, int signal) {
    return (mask >> (signal - 1) & 1) != 0;
}

/* Every thread but the program's own keeps away what comes from outside, and not what tells of a
 * fault of its own. */
static int look_at_threads(void) {
    static const int outside[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE,  SIGALRM, SIGTERM,
                                  SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH, SIGPROF};
    static const int own[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    char self[32];
    snprintf(self, sizeof self, "%ld", (long)getpid());
    DIR *tasks = opendir("/proc/self/task");
    NEED(tasks != NULL, "/proc is there");
    int others = 0;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        if (task->d_name[0] == '.' || same(task->d_name, self)) continue;
        unsigned long long mask = blocked_by(task->d_name);
        others++;
        for (size_t at = 0; at < sizeof outside / sizeof *outside; at++) {
            CHECK(blocks(mask, outside[at]), "thread %s keeps signal %d away: %llx", task->d_name,
                  outside[at], mask);
        }
        for (size_t at = 0; at < sizeof own / sizeof *own; at++) {
            CHECK(!blocks(mask, own[at]), "thread %s has signal %d: %llx", task->d_name, own[at],
                  mask);
        }
    }
    closedir(tasks);
    return others;
}

struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls;
};

static void on_instances(void *user_data, spuff_code code, spuff_instances *found,
                         spuff_error *error) {
    struct told *told = user_data;
    CHECK(code == SPUFF_OK, "list: %s", shown(spuff_error_text(error)));
    spuff_instances_free(&found);
    spuff_error_free(&error);
    pthread_mutex_lock(&told->lock);
    told->calls++;
    pthread_cond_signal(&told->changed);
    while (told->calls < 2) pthread_cond_wait(&told->changed, &told->lock);
    pthread_mutex_unlock(&told->lock);
}

static int masks(void) {
    struct world world = world_open(100);
    struct told told = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    spuff_instances *found = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_provider_list_instances(world.provider, NULL, &found, &error), &error, "list");
    spuff_instances_free(&found);
    is_ok(spuff_provider_list_instances_submit(world.provider, NULL, on_instances, &told, &error),
          &error, "submit");
    /* While the callback runs: the clouds' thread, the one that drives, and one for callbacks are
     * there. */
    pthread_mutex_lock(&told.lock);
    while (told.calls == 0) pthread_cond_wait(&told.changed, &told.lock);
    pthread_mutex_unlock(&told.lock);
    CHECK(look_at_threads() >= 3, "there are threads of spuff's");
    pthread_mutex_lock(&told.lock);
    told.calls = 2;
    pthread_cond_signal(&told.changed);
    pthread_mutex_unlock(&told.lock);

    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    for (int signal = 1; signal < 32; signal++)
        CHECK(sigismember(&now, signal) == 0, "the caller's thread has signal %d", signal);
    /* What the program blocks on its own threads after the first call waits there for it, and ends
     * nothing. */
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, NULL);
    kill(getpid(), SIGINT);
    is_ok(spuff_provider_list_instances(world.provider, NULL, &found, &error), &error, "list");
    spuff_instances_free(&found);
    CHECK(sigtimedwait(&interrupt, NULL, &(struct timespec){20, 0}) == SIGINT,
          "the interrupt is the program's");
    world_close(&world);
    return verdict("signals");
}

static int broken_pipes(const char *endpoint, const char *ca_file, long count) {
    spuff_registry *registry = spuff_registry_with_defaults();
    spuff_config *config = spuff_config_new();
    spuff_provider *provider = NULL;
    spuff_error *error = NULL;
    is_ok(spuff_config_set_token(config, "token", &error), &error, "token");
    is_ok(spuff_config_set_endpoint(config, endpoint, &error), &error, "endpoint");
    is_ok(spuff_config_set_ca_file(config, ca_file, &error), &error, "ca_file");
    NEED(is_ok(spuff_registry_connect(registry, "hetzner", config, &provider, &error), &error,
               "connect"),
         "a provider");
    for (long at = 0; at < count; at++) {
        spuff_instance *found = NULL;
        is_ok(spuff_provider_get_instance(provider, "42", NULL, &found, &error), &error, "get");
        CHECK(found == NULL, "there is none");
        if (at % 3 == 0) pause_ms(1);
    }
    /* A SIGPIPE of the program's own is still its own. */
    struct sigaction now;
    sigaction(SIGPIPE, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL, "spuff leaves the program's way with it");
    sigset_t pending;
    sigpending(&pending);
    CHECK(sigismember(&pending, SIGPIPE) == 0, "none waits");
    spuff_provider_free(&provider);
    spuff_config_free(&config);
    spuff_registry_free(&registry);
    return verdict("signals");
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_DFL);
    if (argc == 5 && same(argv[1], "pipe")) return broken_pipes(argv[2], argv[3], atol(argv[4]));
    return masks();
}

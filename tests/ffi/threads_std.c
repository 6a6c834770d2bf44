/* Tells ThreadSanitizer what Rust's standard library does, which comes compiled without it.
 * `sanitize` links these functions in place of those of the same purpose, whose mangled names it
 * gives; each calls the true one.
 *
 * A lock that was waited for is held; a condition gives its lock away and takes it back. The count
 * of an Arc is taken down by a release, and the fence before the last drop is not understood: the
 * release is made an acquire too, as the standard library does itself where it is compiled with
 * ThreadSanitizer. */
#include <stdint.h>

void __tsan_acquire(void *at);
void __tsan_release(void *at);

#define PASTE(one, other) one##other
#define TRUE_ONE(name) PASTE(__real_, name)
#define IN_PLACE_OF(name) PASTE(__wrap_, name)

/* Locks: the unlock is inlined where it is seen, the wait for the lock is not. */
#define LOCK(name)                                                                                 \
    void TRUE_ONE(name)(void *lock);                                                               \
    void IN_PLACE_OF(name)(void *lock);                                                            \
    void IN_PLACE_OF(name)(void *lock) {                                                           \
        TRUE_ONE(name)(lock);                                                                      \
        __tsan_acquire(lock);                                                                      \
    }
LOCK(MUTEX_LOCK)
LOCK(RWLOCK_READ)
LOCK(RWLOCK_WRITE)

/* A condition: while it waits, it has given the lock away. */
uintptr_t TRUE_ONE(CONDVAR_WAIT)(void *condition, void *lock, uint64_t seconds,
                                 uint32_t nanoseconds);
uintptr_t IN_PLACE_OF(CONDVAR_WAIT)(void *condition, void *lock, uint64_t seconds,
                                    uint32_t nanoseconds);
uintptr_t IN_PLACE_OF(CONDVAR_WAIT)(void *condition, void *lock, uint64_t seconds,
                                    uint32_t nanoseconds) {
    __tsan_release(lock);
    uintptr_t answer = TRUE_ONE(CONDVAR_WAIT)(condition, lock, seconds, nanoseconds);
    __tsan_acquire(lock);
    return answer;
}

uintptr_t TRUE_ONE(CONDVAR_WAIT_TIMEOUT)(void *condition, void *lock, uint64_t seconds,
                                         uint32_t nanoseconds);
uintptr_t IN_PLACE_OF(CONDVAR_WAIT_TIMEOUT)(void *condition, void *lock, uint64_t seconds,
                                            uint32_t nanoseconds);
uintptr_t IN_PLACE_OF(CONDVAR_WAIT_TIMEOUT)(void *condition, void *lock, uint64_t seconds,
                                            uint32_t nanoseconds) {
    __tsan_release(lock);
    uintptr_t answer = TRUE_ONE(CONDVAR_WAIT_TIMEOUT)(condition, lock, seconds, nanoseconds);
    __tsan_acquire(lock);
    return answer;
}

uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *at, uint64_t by, int order) {
    return __real___tsan_atomic64_fetch_sub(at, by,
                                            order == __ATOMIC_RELEASE ? __ATOMIC_ACQ_REL : order);
}

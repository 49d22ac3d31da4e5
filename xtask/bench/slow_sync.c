/* Makes each sync take longer, as on a slower disk: preloaded by `cargo xtask bench dedup`.
 * CADMILL_TEST_SYNC_DELAY_US says by how many microseconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static void delay(void) {
    static long us = -1;
    if (us < 0) {
        const char *text = getenv("CADMILL_TEST_SYNC_DELAY_US");
        us = text ? atol(text) : 0;
    }
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    int kept = errno;
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    errno = kept;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    }
    int done = real(fd);
    delay();
    return done;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    }
    int done = real(fd);
    delay();
    return done;
}

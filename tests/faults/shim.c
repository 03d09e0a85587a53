/* A machine that misbehaves, preloaded into a process: reads and writes of files below one folder
   are cut short, fail or end the process, and the clock jumps. What happens when is decided by a
   seed and by the number of the call, so that a run can be repeated.

   `fault_set` begins; children that are executed take the same from the environment. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, COUNT, SHORT, KILL, TERM, FULL, UNREADABLE, CLOCK, READ_ONLY };

static int kind;
static long nth, writes, reads;
static unsigned long state;
static char folder[4096];

void fault_set(int what, unsigned long seed, long call, const char *below) {
    kind = what, nth = call, writes = reads = 0;
    state = seed * 2654435761UL + 1;
    snprintf(folder, sizeof folder, "%s", below);
}

long fault_writes(void) { return writes; }
long fault_reads(void) { return reads; }

static unsigned long draw(void) {
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return state >> 33;
}

/* Whether it is a regular file below the folder. */
static int ours(int descriptor) {
    char link[64], path[4096];
    struct stat about;
    if (!kind || fstat(descriptor, &about) || !S_ISREG(about.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return !strncmp(path, folder, strlen(folder));
}

/* How much of `n` bytes is to be written: -1 with errno set is an error. */
static ssize_t written(size_t n) {
    writes++;
    if (kind == SHORT && n > 1) return 1 + draw() % n;
    if (kind == FULL && writes == nth && n > 1) return n / 2;
    if (kind == FULL && writes >= nth) return errno = ENOSPC, -1;
    if ((kind == KILL || kind == TERM) && writes == nth && n > 1) return n / 2;
    return n;
}

static void then(void) {
    if ((kind == KILL || kind == TERM) && writes == nth) {
        int number = kind == KILL ? SIGKILL : SIGTERM;
        nth = -1;
        kill(getpid(), number);
    }
}

static ssize_t readable(size_t n) {
    reads++;
    if (kind == SHORT && n > 1) return 1 + draw() % n;
    if (kind == UNREADABLE && reads >= nth) return errno = EIO, -1;
    return n;
}

#define FIND(name) do { if (!original) original = dlsym(RTLD_NEXT, name); } while (0)

ssize_t write(int d, const void *from, size_t n) {
    static ssize_t (*original)(int, const void *, size_t);
    FIND("write");
    if (!ours(d)) return original(d, from, n);
    ssize_t now = written(n);
    if (now >= 0) now = original(d, from, now), then();
    return now;
}

#define PWRITE(name)                                                   \
    ssize_t name(int d, const void *from, size_t n, off_t at) {        \
        static ssize_t (*original)(int, const void *, size_t, off_t);  \
        FIND(#name);                                                   \
        if (!ours(d)) return original(d, from, n, at);              \
        ssize_t now = written(n);                                      \
        if (now >= 0) now = original(d, from, now, at), then();     \
        return now;                                                    \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t read(int d, void *to, size_t n) {
    static ssize_t (*original)(int, void *, size_t);
    FIND("read");
    if (!ours(d)) return original(d, to, n);
    ssize_t now = readable(n);
    return now < 0 ? now : original(d, to, now);
}

#define PREAD(name)                                              \
    ssize_t name(int d, void *to, size_t n, off_t at) {          \
        static ssize_t (*original)(int, void *, size_t, off_t);  \
        FIND(#name);                                                   \
        if (!ours(d)) return original(d, to, n, at);          \
        ssize_t now = readable(n);                               \
        return now < 0 ? now : original(d, to, now, at);      \
    }
PREAD(pread)
PREAD(pread64)

/* Whether a path, absolute or from where the process is, is below the folder and read-only. */
static int locked(const char *path) {
    char whole[8192], here[4096];
    if (kind != READ_ONLY) return 0;
    if (*path == '/') snprintf(whole, sizeof whole, "%s", path);
    else if (getcwd(here, sizeof here)) snprintf(whole, sizeof whole, "%s/%s", here, path);
    else return 0;
    return !strncmp(whole, folder, strlen(folder));
}

#define OPEN(name)                                                        \
    int name(const char *path, int flags, ...) {                          \
        static int (*original)(const char *, int, ...);                   \
        FIND(#name);                                                      \
        va_list more;                                                     \
        va_start(more, flags);                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
        va_end(more);                                                     \
        if (flags & (O_WRONLY | O_RDWR | O_CREAT) && locked(path)) return errno = EROFS, -1; \
        return original(path, flags, mode);                               \
    }
OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
    static int (*original)(const char *, mode_t);
    FIND("mkdir");
    struct stat about;
    if (locked(path)) return errno = stat(path, &about) ? EROFS : EEXIST, -1;
    return original(path, mode);
}

int rename(const char *from, const char *to) {
    static int (*original)(const char *, const char *);
    FIND("rename");
    return locked(to) ? (errno = EROFS, -1) : original(from, to);
}

int unlink(const char *path) {
    static int (*original)(const char *);
    FIND("unlink");
    return locked(path) ? (errno = EROFS, -1) : original(path);
}

/* Up to a day forwards or backwards, at each look at it. */
static time_t jump(void) { return (time_t)(draw() % 172801) - 86400; }

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*original)(clockid_t, struct timespec *);
    FIND("clock_gettime");
    int result = original(id, now);
    if (kind == CLOCK && id == CLOCK_REALTIME) now->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*original)(struct timeval *, void *);
    FIND("gettimeofday");
    int result = original(now, zone);
    if (kind == CLOCK) now->tv_sec += jump();
    return result;
}

time_t time(time_t *to) {
    static time_t (*original)(time_t *);
    FIND("time");
    time_t now = original(0) + (kind == CLOCK ? jump() : 0);
    if (to) *to = now;
    return now;
}

__attribute__((constructor)) static void from_environment(void) {
    const char *told = getenv("SFPIPE_FAULT");
    int what;
    unsigned long seed;
    long call;
    char below[4000];
    if (told && sscanf(told, "%d %lu %ld %3999[^\n]", &what, &seed, &call, below) == 4)
        fault_set(what, seed, call, below);
}

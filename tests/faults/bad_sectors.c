/* A disk with a bad sector, to be loaded before a program's own libraries (LD_PRELOAD of ld.so(8)).
 *
 * Of the file whose path ends with BAD_FILE nothing can be read from the byte BAD_FROM on: EIO, as read(2) says. What
 * lies before is read as ever.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* The number of bytes that can be read from a place on, or -1 where there is no limit. */
static off_t find_limit(int file, off_t place)
{
    const char *name = getenv("BAD_FILE"), *from = getenv("BAD_FROM");
    char link[64], path[4096];
    if (!name || !from || place < 0)
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    if (length < (ssize_t)strlen(name) || memcmp(path + length - strlen(name), name, strlen(name)))
        return -1;
    return place < atoll(from) ? atoll(from) - place : 0;
}

static int is_bad(off_t limit, size_t *count)
{
    if (limit < 0 || *count == 0 || (off_t)*count <= limit)
        return 0;
    *count = limit;
    return limit == 0;
}

ssize_t read(int file, void *buffer, size_t count)
{
    static ssize_t (*original)(int, void *, size_t);
    if (!original)
        original = dlsym(RTLD_NEXT, "read");
    int before = errno;
    off_t limit = find_limit(file, lseek(file, 0, SEEK_CUR));
    errno = before;
    if (is_bad(limit, &count)) {
        errno = EIO;
        return -1;
    }
    return original(file, buffer, count);
}

ssize_t pread64(int file, void *buffer, size_t count, off64_t place)
{
    static ssize_t (*original)(int, void *, size_t, off64_t);
    if (!original)
        original = dlsym(RTLD_NEXT, "pread64");
    if (is_bad(find_limit(file, place), &count)) {
        errno = EIO;
        return -1;
    }
    return original(file, buffer, count, place);
}

size_t fread(void *buffer, size_t size, size_t items, FILE *stream)
{
    static size_t (*original)(void *, size_t, size_t, FILE *);
    if (!original)
        original = dlsym(RTLD_NEXT, "fread");
    size_t count = size * items;
    off_t limit = find_limit(fileno(stream), ftello(stream));
    if (limit < 0 || (off_t)count <= limit)
        return original(buffer, size, items, stream);
    size_t done = original(buffer, 1, limit, stream);
    errno = EIO;
    return size ? done / size : 0;
}

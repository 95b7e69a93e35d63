/* Blocks from the system, for the pool: small ones from malloc, large ones mapped at 2 MB and advised to huge pages. */
#ifndef MINIDL_MEMORY_H
#define MINIDL_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define HUGE_PAGE ((size_t)2 << 20)
#define IS_LARGE(n_bytes) ((n_bytes) >= HUGE_PAGE)

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
/* Maps a huge page too many and gives back what lies before and behind the aligned part. */
static inline void *map_large(size_t n_bytes) {
    const size_t whole = n_bytes + HUGE_PAGE;
    char *start = (char *)mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == (char *)MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)start + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (aligned > start) munmap(start, (size_t)(aligned - start));
    munmap(aligned + n_bytes, (size_t)(start + whole - (aligned + n_bytes)));
    madvise(aligned, n_bytes, MADV_HUGEPAGE);
    return aligned;
}
static inline void unmap_large(void *pointer, size_t n_bytes) { munmap(pointer, n_bytes); }
#else
static inline void *map_large(size_t n_bytes) {
    void *pointer;
    return posix_memalign(&pointer, 64, n_bytes) ? NULL : pointer;
}
static inline void unmap_large(void *pointer, size_t n_bytes) { (void)n_bytes; free(pointer); }
#endif

static inline void *map_block(size_t n_bytes) {
    void *pointer;
    if (IS_LARGE(n_bytes)) return map_large((n_bytes + 4095) & ~(size_t)4095);
    return posix_memalign(&pointer, 64, n_bytes) ? NULL : pointer;
}

static inline void unmap_block(void *pointer, size_t n_bytes) {
    if (IS_LARGE(n_bytes)) unmap_large(pointer, (n_bytes + 4095) & ~(size_t)4095);
    else free(pointer);
}

#endif

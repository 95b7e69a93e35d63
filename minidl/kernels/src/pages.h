/* Pages from the system: mapped at 2 MB and advised to huge pages, where there are such. */
#ifndef MINIDL_PAGES_H
#define MINIDL_PAGES_H

#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#define PAGE ((size_t)4096)
#define HUGE_PAGE ((size_t)2 << 20)

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define HAS_PAGES 1
/* Maps a huge page too many and gives back what lies before and behind the aligned part. */
static inline void *map_pages(size_t n_bytes) {
    const size_t whole = n_bytes + HUGE_PAGE;
    char *start = (char *)mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == (char *)MAP_FAILED) return NULL;
    char *aligned = (char *)(((uintptr_t)start + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    if (aligned > start) munmap(start, (size_t)(aligned - start));
    munmap(aligned + n_bytes, (size_t)(start + whole - (aligned + n_bytes)));
    madvise(aligned, n_bytes, MADV_HUGEPAGE);
    return aligned;
}
static inline void unmap_pages(void *pointer, size_t n_bytes) { munmap(pointer, n_bytes); }
/* The memory of all whole pages in there goes back, the addresses stay. */
static inline void forget_pages(void *pointer, size_t n_bytes) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = ((uintptr_t)pointer + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)pointer + n_bytes) / page * page;
    if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
}
#else
#define HAS_PAGES 0
static inline void *map_pages(size_t n_bytes) {
    void *pointer;
    return posix_memalign(&pointer, 64, n_bytes) ? NULL : pointer;
}
static inline void unmap_pages(void *pointer, size_t n_bytes) {
    (void)n_bytes;
    free(pointer);
}
static inline void forget_pages(void *pointer, size_t n_bytes) {
    (void)pointer;
    (void)n_bytes;
}
#endif

#endif

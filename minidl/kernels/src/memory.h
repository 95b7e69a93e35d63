/* Blocks from the system, for the pool: small ones from malloc, those of middle size out of slabs (slabs.h), large ones from pages of their own.
 * Without a pool those of middle size come from malloc as well, so that memory checkers see them. */
#ifndef MINIDL_MEMORY_H
#define MINIDL_MEMORY_H

#include "slabs.h"

#define IS_LARGE(n_bytes) ((n_bytes) >= HUGE_PAGE)
#define IS_MIDDLE(n_bytes) (HAS_PAGES && (n_bytes) >= 16 * PAGE)

static inline size_t whole_pages(size_t n_bytes) { return (n_bytes + PAGE - 1) / PAGE * PAGE; }

static inline void *map_block(size_t n_bytes, int pooled) {
    void *block = NULL;
    if (IS_LARGE(n_bytes)) return map_pages(whole_pages(n_bytes));
    if (pooled && IS_MIDDLE(n_bytes)) block = cut_block(whole_pages(n_bytes));
    return block || !posix_memalign(&block, 64, n_bytes) ? block : NULL; /* a slab needs more addresses than the block */
}

static inline void unmap_block(void *pointer, size_t n_bytes, int pooled) {
    if (IS_LARGE(n_bytes)) unmap_pages(pointer, whole_pages(n_bytes));
    else if (!pooled || !IS_MIDDLE(n_bytes) || !return_block(pointer, whole_pages(n_bytes))) free(pointer);
}

#endif

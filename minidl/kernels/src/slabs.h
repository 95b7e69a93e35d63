/* Blocks of middle size, cut out of huge pages: fewer pages, so that those of the interpreter stay in the processor's tables of pages while
 * kernels go through the arrays of a step.
 *
 *     slab of 8 MB    | block | block | block      | ... not cut yet      |
 *
 * Slabs are cut from the front. A block that goes back leaves its memory to the system and a hole in the addresses, until the last block
 * of its slab has gone; the end of a slab that is too short for a block stays unused. The pool keeps blocks of a class for the next request,
 * so that little of this happens. */
#ifndef MINIDL_SLABS_H
#define MINIDL_SLABS_H

#include "pages.h"

#define SLAB_BYTES (4 * HUGE_PAGE)

typedef struct slab {
    struct slab *next;
    char *start;
    size_t cut, blocks; /* bytes cut so far; blocks in use */
} slab;

static slab *slabs; /* newest first: only that one is cut */

static inline void *cut_block(size_t n_bytes) {
    if (!slabs || slabs->cut + n_bytes > SLAB_BYTES) {
        slab *fresh = (slab *)malloc(sizeof(slab));
        char *start = fresh ? (char *)map_pages(SLAB_BYTES) : NULL;
        if (!start) {
            free(fresh);
            return NULL;
        }
        *fresh = (slab){slabs, start, 0, 0};
        slabs = fresh;
    }
    void *block = slabs->start + slabs->cut;
    slabs->cut += n_bytes;
    slabs->blocks++;
    return block;
}

/* Whether the block was cut here. */
static inline int return_block(void *block, size_t n_bytes) {
    slab **at = &slabs;
    while (*at && ((char *)block < (*at)->start || (char *)block >= (*at)->start + SLAB_BYTES)) at = &(*at)->next;
    slab *of = *at;
    if (!of) return 0;
    if (--of->blocks > 0) forget_pages(block, n_bytes);
    else if (of == slabs) { /* to be cut anew */
        forget_pages(of->start, of->cut);
        of->cut = 0;
    } else {
        *at = of->next;
        unmap_pages(of->start, SLAB_BYTES);
        free(of);
    }
    return 1;
}

#endif

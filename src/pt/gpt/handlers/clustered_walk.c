// The search of a clustered page table (src/pt/hashed/store.h), to compare: as hashed_walk.c, for
// nodes that serve 16 pages, which is what pt.clustered.block is unless configured otherwise.
#include "architecture.inc"

#define BLOCK_SHIFT (PAGE_SHIFT + 4)

struct node {
  uint64_t tag, next, entries[16];
};

uint64_t WALK(clustered_walk)(uint64_t va, const uint64_t *buckets, unsigned shift) {
  const uint64_t block = va >> BLOCK_SHIFT;
  const uint64_t tag = block << BLOCK_SHIFT;
  uint64_t at = buckets[block * 0x9e3779b97f4a7c15 >> shift];
  while (LIKELY(at != 0)) {
    const struct node *node = (const struct node *)(uintptr_t)at;
    if (LIKELY(node->tag == tag)) return node->entries[va >> PAGE_SHIFT & 15];
    at = node->next;
  }
  return 0;
}

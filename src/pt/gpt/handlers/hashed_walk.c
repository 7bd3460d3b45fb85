// The search of a hashed page table (src/pt/hashed/store.h), to compare: for a base page, in a table
// of one address space; each larger size of which the space has pages costs another search. `shift`:
// 64 - log2 of the buckets. Of the page table of the address; 0: there is none.
#include "architecture.inc"

struct node {
  uint64_t tag, next, entry;
};

uint64_t WALK(hashed_walk)(uint64_t va, const uint64_t *buckets, unsigned shift) {
  const uint64_t page = va >> PAGE_SHIFT;
  const uint64_t tag = page << PAGE_SHIFT;
  uint64_t at = buckets[page * 0x9e3779b97f4a7c15 >> shift];
  while (LIKELY(at != 0)) {
    const struct node *node = (const struct node *)(uintptr_t)at;
    if (LIKELY(node->tag == tag)) return node->entry;
    at = node->next;
  }
  return 0;
}

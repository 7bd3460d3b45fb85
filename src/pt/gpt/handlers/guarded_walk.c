// The walk of a guarded page table as a kernel's TLB-miss handler makes it (the entries: README.md).
// Of the page table of the address: 0 where there is none, and where the caller must look again with
// locks. `rights_masks`: what each of the 16 sets of rights of a Shared entry leaves of a page-table
// entry.
//
// The table does not change on the way: see "What the loop relies on" in the README.
#include "architecture.inc"

struct entry {
  uint64_t head, body;
};

// Of what is no Internal, bits 7:6.
#define KIND 0xc0u
#define MOVED 0x00u
#define LEAF 0x40u
#define SHARED 0x80u
#define ARRAY 0xc0u
#define MORE_OF_STOP (1u << 8)
#define MORE_OF_INTERNAL 1u

#define AT(body) ((const struct entry *)(uintptr_t)((body) & table_bits))

uint64_t WALK(guarded_walk)(uint64_t va, const uint64_t *root, const uint64_t *rights_masks) {
  uint64_t table_bits = 0x7ffffffffe0;  // bits 42:5
  const uint64_t key = va >> 1 | 1;
  const struct entry *entry;
  uint64_t allowed, head, differs, index;
  HIDE(table_bits);
restart:
  entry = (const struct entry *)root;
  allowed = ~UINT64_C(0);
  for (;;) {
    for (;;) {
      head = entry->head;
      differs = key ^ head;
      index = differs >> (head & 63);
      if (UNLIKELY(index >> (head >> 6 & 63) != 0)) break;
      entry = AT(entry->body) + index;
    }
    HIDE(head);
    differs <<= 1;  // bit 63 goes, in which the key and what is no Internal differ
    if (LIKELY(differs >> (head & 63) >> 1 == 0)) {  // never an Internal, nor Invalid
      const unsigned kind = head & KIND;
      const uint64_t body = entry->body;
      if (LIKELY(kind == ARRAY))
        return ((const uint64_t *)AT(body))[differs >> PAGE_SHIFT] & allowed;
      if (LIKELY(kind == LEAF)) return body & allowed;
      if (kind == MOVED) goto restart;
      allowed &= rights_masks[body & 15];
      entry = AT(body);
      continue;
    }
    if (LIKELY((int64_t)head >= 0)) {
      if (UNLIKELY(!(entry->body & MORE_OF_INTERNAL))) return 0;
    } else if (UNLIKELY(!(head & MORE_OF_STOP))) {
      return 0;
    }
    ++entry;
  }
}

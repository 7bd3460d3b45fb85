// The walk of a guarded page table as a kernel's TLB-miss handler makes it (the entries: README.md).
// Of the page table of the address: 0 where there is none, and where the caller must look again with
// locks.
//
// `root` is what the handler has at hand, with the other words the kernel keeps for its CPU:
//   5:0    five less than the lowest bit of the address that picks a slot of the top
//   42:6   the address of the top; of the root's table, if there is no top; or of a copy of the root's
//          entry
//   62:52  as many ones as such bits; none of a copy. The others are 0.
//
// The table does not change on the way: see "What the loop relies on" in the README.
#include "architecture.inc"

struct entry {
  uint64_t head, body;
};

// Of what is no Internal.
#define LEAF 0x40u
#define ARRAY 0x80u
#define SHARED 0x100u  // otherwise Moved
// Of what an Internal's body leads to.
#define IS_LINE(body) ((int64_t)(body) < 0)
#define HAS_FOUR 2u

#define AT(body) ((const struct entry *)(uintptr_t)((body) & table_bits))

// Of the top the slot the address comes to: the bits are moved to where they are bytes.
#define BEGIN(key, root) \
  ((const struct entry *)((const char *)AT(root) + (uintptr_t)((key) >> ((root) & 63) & (root) >> 48)))

static uint64_t REST(guarded_walk)(uint64_t key, const struct entry *entry, const struct at_hand *cpu);

// In a sub-tree that is shared the rights are restricted, to which most walks never come: they are a
// walk of their own.
static inline __attribute__((always_inline)) uint64_t
go_down(uint64_t key, uint64_t body, const struct entry *entry, const struct at_hand *cpu, int restricted) {
  uint64_t table_bits = 0x7ffffffffe0;  // bits 42:5
  uint64_t allowed = ~UINT64_C(0), head, differs, left;
  HIDE(table_bits);
  if (!restricted) entry = BEGIN(key, body);
  for (;;) {
    head = entry->head;
    differs = key ^ head;
    if (LIKELY(differs >> (head & 63) == 0)) {
    on:
      body = entry->body;
      entry = AT(body) + (differs >> (head >> 6 & 63));
      continue;
    }
    HIDE(head);
    HIDE(differs);
    left = differs << 1 >> 1;  // bit 63 goes, in which the key and what is no Internal differ
    if (LIKELY(left >> (head & 63) == 0)) {  // never an Internal, nor Invalid
      body = entry->body;
      if (LIKELY(head & ARRAY)) goto array;
      goto stop;
    }
    if (UNLIKELY(!IS_LINE(body))) return 0;
// An entry of the line: what is done with it stands here each time, as a jump would take longer.
#define TRY(i)                                           \
  head = entry[i].head;                                  \
  differs = key ^ head;                                  \
  left = differs << 1 >> 1;                              \
  if (LIKELY(left >> (head & 63) == 0)) {                \
    if (LIKELY((int64_t)differs < 0)) {                  \
      body = entry[i].body;                              \
      if (LIKELY(head & ARRAY))                          \
        goto array;                                      \
      entry += i;                                        \
      goto stop;                                         \
    }                                                    \
    entry += i;                                          \
    goto on;                                             \
  }
    TRY(1)
    if (!(body & HAS_FOUR)) return 0;
    TRY(2)
    TRY(3)
    return 0;
  array:
    head = ((const uint64_t *)AT(body))[left >> (PAGE_SHIFT - 1)];
    return restricted ? head & allowed : head;
  stop:
    if (LIKELY(head & LEAF)) return restricted ? body & allowed : body;
    if (!restricted) return rest_of_guarded_walk(key, entry, cpu);
    if (LIKELY(head & SHARED)) {
      allowed &= cpu->rights_masks[body & 15];
      entry = AT(body);
      body = 0;
    } else {
      allowed = ~UINT64_C(0);
      body = cpu->root;
      entry = BEGIN(key, body);
    }
  }
}

uint64_t WALK(guarded_walk)(uint64_t va, uint64_t root, const struct at_hand *cpu) {
  return go_down(va >> 1 | 1, root, 0, cpu, 0);
}

static uint64_t REST(guarded_walk)(uint64_t key, const struct entry *entry, const struct at_hand *cpu) {
  return go_down(key, 0, entry, cpu, 1);
}

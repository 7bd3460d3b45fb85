// The walk of a multi-level page table, to compare: the levels and entries that src/pt/mlpt has on
// each architecture, for base pages. What an entry of an upper level holds is the architecture's
// kernel's: the table's address (sparc64, ppc64), its frame number in the upper half (alpha), or its
// address among flags (x86). Of the page table of the address; 0: there is none.
#include "architecture.inc"

typedef uint64_t word;
#if defined __sparc__
#define LEVELS LEVEL(43, 10) LEVEL(33, 10) LEVEL(23, 10)
#define LEAVES 10
#define IS_THERE(entry) ((entry) != 0)
#define TABLE_OF(entry) (entry)
#elif defined __alpha__
#define LEVELS LEVEL(33, 10) LEVEL(23, 10)
#define LEAVES 10
#define IS_THERE(entry) ((entry) & 1)
#define TABLE_OF(entry) ((entry) >> 32 << PAGE_SHIFT)
#elif defined __powerpc64__
#define LEVELS LEVEL(37, 9) LEVEL(28, 9) LEVEL(21, 7)
#define LEAVES 9
#define IS_THERE(entry) ((entry) != 0)
#define TABLE_OF(entry) (entry)
#elif defined __x86_64__
#define LEVELS LEVEL(39, 9) LEVEL(30, 9) LEVEL(21, 9)
#define LEAVES 9
#define IS_THERE(entry) ((entry) & 1)
#define TABLE_OF(entry) ((entry) & 0xffffffffff000)
#elif defined __i386__
typedef uint32_t narrow_word;
#define word narrow_word
#define LEVELS LEVEL(22, 10)
#define LEAVES 10
#define IS_THERE(entry) ((entry) & 1)
#define TABLE_OF(entry) ((entry) & 0xfffff000)
#endif

#define INDEX(shift, bits) (va >> (shift) & ((1u << (bits)) - 1))

uint64_t WALK(multi_level_walk)(uintptr_t va, const void *root) {
  const word *table = root;
  word entry;
#define LEVEL(shift, bits)                           \
  entry = table[INDEX(shift, bits)];                 \
  if (UNLIKELY(!IS_THERE(entry))) return 0;          \
  table = (const word *)(uintptr_t)TABLE_OF(entry);
  LEVELS
  return table[INDEX(PAGE_SHIFT, LEAVES)];
}

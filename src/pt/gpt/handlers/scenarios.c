// Walks of small tables that differ in one thing each, for `count`, which runs them in QEMU and
// counts the instructions of each walk. A program without a C library: it ends with status 0 if each
// walk found what it should, or with the number of the first that did not.
//
// `count` takes the names of the walks from the lines that begin with WALKED, in their order.
#include "architecture.inc"

#define TOP (UINT64_C(1) << 63)
#define VA (UINT64_C(0x12345000) >> PAGE_SHIFT << PAGE_SHIFT)
#define ALIGNED __attribute__((aligned(64)))

enum kind { MOVED, LEAF, SHARED, ARRAY };
enum { NOTHING_MORE, MORE };
struct entry {
  uint64_t head, body;
};

static uint64_t prefix(uint64_t va, unsigned log2) { return va >> log2 << log2 >> 1; }

// For a table of 2^width slots, each of which covers 2^log2 bytes. The bits that are the kernel's
// own, its counts, are set: the walk must not be led astray by them.
static struct entry internal(uint64_t va, unsigned log2, unsigned width, const void *table, int more) {
  const struct entry e = {prefix(va, log2 + width) | width << 6 | (log2 - 1),
                          (uintptr_t)table | UINT64_C(0x1fffff) << 43 | 0x1e | (unsigned)more};
  return e;
}
static struct entry stop(uint64_t va, unsigned log2, enum kind kind, uint64_t body, int more) {
  const struct entry e = {TOP | prefix(va, log2) | (unsigned)more << 8 | kind << 6 | (log2 - 1), body};
  return e;
}
static uint64_t array_body(const uint64_t *entries) {
  return (uintptr_t)entries | UINT64_C(0x1fffff) << 43 | 0x1f;
}

#define WALKED(name)
static int walked, wrong;
static void check(uint64_t found, uint64_t expected) {
  ++walked;
  if (found != expected && !wrong) wrong = walked;
}

static uint64_t rights_masks[16];
static struct entry root, first[4] ALIGNED, second[4] ALIGNED, third[4] ALIGNED, line[4] ALIGNED;
static uint64_t entries[16] ALIGNED;

static unsigned slot(uint64_t va, unsigned log2, unsigned width) {
  return (unsigned)(va >> log2 & ((1u << width) - 1));
}
static uint64_t look(uint64_t va) { return guarded_walk(va, &root.head, rights_masks); }

static void guarded(void) {
  const uint64_t pte = UINT64_C(0x123456789abcdef0), mask = UINT64_C(0xfffffffffffffff5);
  const struct entry leaf = stop(VA, PAGE_SHIFT, LEAF, pte, NOTHING_MORE), none = {0, 0};
  const struct entry line_node = internal(VA, PAGE_SHIFT + 10, 0, line, NOTHING_MORE);
  const unsigned upper = PAGE_SHIFT + 10, lower = PAGE_SHIFT + 7;
  const unsigned in_first = slot(VA, upper, 2), in_second = slot(VA, lower, 2);
  unsigned i;
  for (i = 0; i < 16; ++i) {
    rights_masks[i] = i == 5 ? mask : 0;
    entries[i] = pte + i + 1;
  }

  root = leaf;
WALKED("leaf")
  check(look(VA + 5), pte);
  root = internal(VA, upper, 2, first, NOTHING_MORE);
  first[in_first] = leaf;
WALKED("level, leaf")
  check(look(VA), pte);
  first[in_first] = internal(VA, lower, 2, second, MORE);
  second[in_second] = leaf;
WALKED("level, level, leaf")
  check(look(VA), pte);
  first[in_first] = stop(VA, PAGE_SHIFT + 4, ARRAY, array_body(entries), MORE);
WALKED("level, array")
  check(look(VA), entries[slot(VA, PAGE_SHIFT, 4)]);
  first[in_first] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 5, MORE);
  third[2] = leaf;
WALKED("level, shared, leaf")
  check(look(VA), pte & mask);
  first[in_first] = line_node;
  line[0] = internal(VA + (UINT64_C(1) << (lower + 2)), lower, 2, second, MORE);
  line[1] = leaf;
WALKED("level, level, miss of an internal, leaf")
  check(look(VA), pte);
  line[0] = stop(VA + (UINT64_C(1) << PAGE_SHIFT), PAGE_SHIFT, LEAF, 1, MORE);
WALKED("level, level, miss of a stop, leaf")
  check(look(VA), pte);
  line[1] = internal(VA ^ UINT64_C(1) << 40, lower, 2, second, MORE);
  line[2] = internal(VA, lower, 2, second, NOTHING_MORE);
  second[in_second] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 5, NOTHING_MORE);
  third[2] = internal(VA, lower - 2, 2, first, NOTHING_MORE);
  first[slot(VA, lower - 2, 2)] = stop(VA, PAGE_SHIFT + 4, ARRAY, array_body(entries), NOTHING_MORE);
  root = line_node;
WALKED("all")
  check(look(VA), entries[slot(VA, PAGE_SHIFT, 4)] & mask);

  // Where nothing is. An Invalid root; a guard that differs; a line without an entry that agrees; no
  // rights; the address next to a leaf, and far from it in the bits that only the prefix has.
  root = none;
  check(look(VA), 0);
  check(look(0), 0);
  root = leaf;
  check(look(VA + (UINT64_C(1) << PAGE_SHIFT)), 0);
  check(look(VA - 1), 0);
  root = internal(VA, upper, 2, first, NOTHING_MORE);
  first[in_first] = leaf;
  check(look(VA ^ UINT64_C(1) << 30), 0);
#if !defined __i386__
  check(look(VA ^ UINT64_C(1) << 63), 0);
#endif
  first[in_first] = line_node;
  line[0] = internal(VA ^ UINT64_C(1) << 40, lower, 2, second, MORE);
  line[1] = stop(VA ^ UINT64_C(1) << 20, PAGE_SHIFT, LEAF, 1, MORE);
  line[2] = stop(VA ^ UINT64_C(1) << 21, PAGE_SHIFT, LEAF, 1, NOTHING_MORE);
  line[3] = leaf;
  check(look(VA), 0);
  first[in_first] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 3, NOTHING_MORE);
  third[2] = leaf;
  check(look(VA), 0);
  // A leaf of many pages; all of an array.
  root = stop(VA, PAGE_SHIFT + 8, LEAF, pte, NOTHING_MORE);
  check(look(VA ^ UINT64_C(0xff) << PAGE_SHIFT), pte);
  check(look(VA ^ UINT64_C(0x100) << PAGE_SHIFT), 0);
  root = stop(VA, PAGE_SHIFT + 4, ARRAY, array_body(entries), NOTHING_MORE);
  for (i = 0; i < 16; ++i)
    check(look((VA >> (PAGE_SHIFT + 4) << (PAGE_SHIFT + 4)) + ((uint64_t)i << PAGE_SHIFT)), entries[i]);
}

// A tree whose every table has the next one's entry everywhere, and a leaf table of numbers.
#if defined __i386__
typedef uint32_t word;
#define TREE_LEVELS 2
#define LINK(table) ((word)(uintptr_t)(table) | 0x67)
#else
typedef uint64_t word;
#if defined __alpha__
#define TREE_LEVELS 3
#define LINK(table) ((word)(uintptr_t)(table) >> PAGE_SHIFT << 32 | 0x1301)
#elif defined __x86_64__
#define TREE_LEVELS 4
#define LINK(table) ((word)(uintptr_t)(table) | TOP | 0x67)
#else
#define TREE_LEVELS 4
#define LINK(table) ((word)(uintptr_t)(table))
#endif
#endif
static word tree[TREE_LEVELS][1024] __attribute__((aligned(8192)));

static void multi_level(void) {
  unsigned level, i;
  for (level = 0; level < TREE_LEVELS; ++level)
    for (i = 0; i < 1024; ++i)
      tree[level][i] = level + 1 < TREE_LEVELS ? LINK(tree[level + 1]) : i + 1;
WALKED("multi-level")
  check(multi_level_walk(VA, tree), slot(VA, PAGE_SHIFT, PAGE_SHIFT == 13 || TREE_LEVELS == 2 ? 10 : 9) + 1);
  tree[TREE_LEVELS - 2][0] = 0;
  check(multi_level_walk(0, tree), 0);
}

static uint64_t buckets[64], nodes[2][18];
static void put(unsigned node, uint64_t tag, uint64_t next, uint64_t entry) {
  unsigned i;
  nodes[node][0] = tag;
  nodes[node][1] = next;
  for (i = 2; i < 18; ++i) nodes[node][i] = entry + i - 2;
}
static void hashed(uint64_t (*walk)(uint64_t, const uint64_t *, unsigned), unsigned log2, unsigned entry) {
  const uint64_t number = VA >> log2, far = 99;
  uint64_t *bucket = &buckets[number * 0x9e3779b97f4a7c15 >> 58];
  *bucket = (uintptr_t)nodes[0];
  put(0, number << log2, 0, 77);
  check(walk(VA, buckets, 58), 77 + entry);
  put(0, far << log2, (uintptr_t)nodes[1], 7);
  put(1, number << log2, 0, 88);
  check(walk(VA, buckets, 58), 88 + entry);
  nodes[0][1] = 0;
  check(walk(VA, buckets, 58), 0);
  *bucket = 0;
  check(walk(VA, buckets, 58), 0);
}

static void leave(int status) {
#if defined __sparc__
  register long call __asm__("g1") = 1;
  register long argument __asm__("o0") = status;
  __asm__ volatile("ta 0x6d" : : "r"(call), "r"(argument));
#elif defined __alpha__
  register long call __asm__("$0") = 1;
  register long argument __asm__("$16") = status;
  __asm__ volatile("callsys" : : "r"(call), "r"(argument));
#elif defined __powerpc64__
  register long call __asm__("r0") = 1;
  register long argument __asm__("r3") = status;
  __asm__ volatile("sc" : : "r"(call), "r"(argument));
#elif defined __x86_64__
  __asm__ volatile("syscall" : : "a"(60), "D"(status) : "rcx", "r11");
#elif defined __i386__
  __asm__ volatile("int $0x80" : : "a"(1), "b"(status));
#endif
}

void run(void) {
  guarded();
  multi_level();
  hashed(hashed_walk, PAGE_SHIFT, 0);
  hashed(clustered_walk, PAGE_SHIFT + 4, slot(VA, PAGE_SHIFT, 4));
  leave(wrong);
  for (;;) {
  }
}

#if defined __alpha__
// The pointer to the global data is found by the address of the code, which nobody has told yet.
__asm__(".globl _start\n_start: br $27, 1f\n1: ldgp $29, 0($27)\n jsr $26, run\n");
#else
void _start(void) { run(); }
#endif

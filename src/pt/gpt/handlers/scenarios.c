// Walks of small tables that differ in one thing each, for `count`, which runs them in QEMU and
// counts the instructions of each walk. A program without a C library: it ends with status 0 if each
// walk found what it should, or with the number of the first that did not.
//
// `count` takes the names of the walks from the lines that begin with WALKED, in their order.
#include "architecture.inc"

#define TOP (UINT64_C(1) << 63)
#define VA (UINT64_C(0x12345000) >> PAGE_SHIFT << PAGE_SHIFT)
#define ALIGNED __attribute__((aligned(64)))

enum kind { MOVED = 0, LEAF = 1 << 6, ARRAY = 1 << 7, SHARED = 1 << 8 };
struct entry {
  uint64_t head, body;
};

static uint64_t prefix(uint64_t va, unsigned log2) { return va >> log2 << log2 >> 1; }

// The bits of a body that are the kernel's own, its counts, are set: the walk must not be led astray
// by them.
#define COUNTS (UINT64_C(0xfffff) << 43 | 0x1f)

// For a table of 2^width slots, each of which covers 2^log2 bytes.
static struct entry internal(uint64_t va, unsigned log2, unsigned width, const void *table) {
  const struct entry e = {prefix(va, log2 + width) | (log2 - 1) << 6 | (log2 + width - 1),
                          (uintptr_t)table | COUNTS};
  return e;
}
// For a line of two or four entries.
static struct entry line_of(uint64_t va, unsigned log2, unsigned room, const struct entry *table) {
  const struct entry e = {prefix(va, log2) | (log2 - 1) << 6 | (log2 - 1),
                          TOP | (uintptr_t)table | room >> 1};
  return e;
}
static struct entry stop(uint64_t va, unsigned log2, enum kind kind, uint64_t body) {
  const struct entry e = {TOP | prefix(va, log2) | kind | (log2 - 1), body};
  return e;
}
static struct entry array(uint64_t va, unsigned log2, const uint64_t *entries) {
  return stop(va, log2, ARRAY, (uintptr_t)entries | COUNTS);
}

#define WALKED(name)
static int walked, wrong;
static void check(uint64_t found, uint64_t expected) {
  ++walked;
  if (found != expected && !wrong) wrong = walked;
}

static struct at_hand cpu;
static struct entry root ALIGNED, first[4] ALIGNED, second[4] ALIGNED, third[4] ALIGNED, line[4] ALIGNED;
static uint64_t entries[16] ALIGNED;

static unsigned slot(uint64_t va, unsigned log2, unsigned width) {
  return (unsigned)(va >> log2 & ((1u << width) - 1));
}
// What the handler has at hand of a top, or a table, of 2^width slots of which bits from `log2` on pick
// one, and of a copy of the root.
static uint64_t at_hand(const struct entry *table, unsigned log2, unsigned width) {
  return ((UINT64_C(1) << width) - 1) << 52 | (uintptr_t)table | (log2 - 5);
}
static uint64_t look(uint64_t va) {
  cpu.root = (uintptr_t)&root;
  return guarded_walk(va, cpu.root, &cpu);
}
static uint64_t look_from(uint64_t root_word, uint64_t va) {
  cpu.root = root_word;
  return guarded_walk(va, cpu.root, &cpu);
}

static void guarded(void) {
  const uint64_t pte = UINT64_C(0x123456789abcdef0), mask = UINT64_C(0xfffffffffffffff5);
  const struct entry leaf = stop(VA, PAGE_SHIFT, LEAF, pte), none = {0, 0};
  const struct entry pages = array(VA, PAGE_SHIFT + 4, entries);
  const struct entry two = line_of(VA, PAGE_SHIFT + 10, 2, line), four = line_of(VA, PAGE_SHIFT + 10, 4, line);
  const struct entry other_leaf = stop(VA ^ UINT64_C(1) << PAGE_SHIFT, PAGE_SHIFT, LEAF, 1);
  const unsigned upper = PAGE_SHIFT + 10, lower = PAGE_SHIFT + 7;
  const struct entry table = internal(VA, lower, 2, second);
  const struct entry other_table = internal(VA ^ UINT64_C(1) << (lower + 2), lower, 2, third);
  const unsigned in_first = slot(VA, upper, 2), in_second = slot(VA, lower, 2);
  const uint64_t page = pte + 1 + slot(VA, PAGE_SHIFT, 4);
  unsigned i;
  for (i = 0; i < 16; ++i) {
    cpu.rights_masks[i] = i == 5 ? mask : 0;
    entries[i] = pte + i + 1;
  }

  root = leaf;
WALKED("leaf")
  check(look(VA + 5), pte);
  root = internal(VA, upper, 2, first);
  first[in_first] = leaf;
WALKED("level, leaf")
  check(look(VA), pte);
  first[in_first] = table;
  second[in_second] = leaf;
WALKED("level, level, leaf")
  check(look(VA), pte);
  first[in_first] = pages;
WALKED("level, array")
  check(look(VA), page);
  first[in_first] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 5);
  third[2] = leaf;
WALKED("level, shared, leaf")
  check(look(VA), pte & mask);
  third[2] = pages;
WALKED("level, shared, array")
  check(look(VA), page & mask);
  third[2] = table;
WALKED("level, shared, level, leaf")
  check(look(VA), pte & mask);
  first[in_first] = none;
WALKED("level, nothing")
  check(look(VA), 0);

  // From a top, of which bits in the midst of the address pick the slot.
  first[in_first] = leaf;
WALKED("top, leaf")
  check(look_from(at_hand(first, upper, 2), VA), pte);
  first[in_first] = pages;
WALKED("top, array")
  check(look_from(at_hand(first, upper, 2), VA), page);
  first[in_first] = table;
WALKED("top, level, leaf")
  check(look_from(at_hand(first, upper, 2), VA), pte);
  first[in_first] = other_leaf;
WALKED("top, nothing")
  check(look_from(at_hand(first, upper, 2), VA), 0);
  first[in_first] = none;

  // Lines, and in them what does not agree before what does.
  root = four;
  line[0] = pages;
  line[1] = line[2] = line[3] = none;
WALKED("line, array")
  check(look(VA), page);
  line[0] = leaf;
WALKED("line, leaf")
  check(look(VA), pte);
  line[0] = table;
WALKED("line, level, leaf")
  check(look(VA), pte);
  line[0] = other_leaf;
  line[1] = pages;
WALKED("line, second, array")
  check(look(VA), page);
  line[1] = leaf;
WALKED("line, second, leaf")
  check(look(VA), pte);
  line[1] = table;
WALKED("line, second, level, leaf")
  check(look(VA), pte);
  line[1] = other_table;
  line[2] = pages;
WALKED("line, third, array")
  check(look(VA), page);
  line[2] = leaf;
WALKED("line, third, leaf")
  check(look(VA), pte);
  line[2] = table;
WALKED("line, third, level, leaf")
  check(look(VA), pte);
  line[2] = other_leaf;
  line[3] = pages;
WALKED("line, fourth, array")
  check(look(VA), page);
  line[3] = leaf;
WALKED("line, fourth, leaf")
  check(look(VA), pte);
  line[3] = table;
WALKED("line, fourth, level, leaf")
  check(look(VA), pte);
  line[3] = other_table;
WALKED("line, no four")
  check(look(VA), 0);
  root = two;
WALKED("line, no two")
  check(look(VA), 0);
  root = internal(VA, upper, 2, first);
  first[in_first] = four;
  line[2] = table;
  second[in_second] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 5);
  third[2] = internal(VA, lower - 2, 2, first);
  first[slot(VA, lower - 2, 2)] = pages;
WALKED("all")
  check(look(VA), page & mask);

  // Where nothing is. An Invalid root; a guard that differs; no rights; the address next to a leaf,
  // and far from it in the bits that only the prefix has.
  root = none;
  check(look(VA), 0);
  check(look(0), 0);
  root = leaf;
  check(look(VA + (UINT64_C(1) << PAGE_SHIFT)), 0);
  check(look(VA - 1), 0);
  root = internal(VA, upper, 2, first);
  first[in_first] = leaf;
  check(look(VA ^ UINT64_C(1) << 30), 0);
#if !defined __i386__
  check(look(VA ^ UINT64_C(1) << 63), 0);
#endif
  // In a line entries that differ in one bit only, and one behind the room.
  first[in_first] = four;
  line[0] = internal(VA ^ UINT64_C(1) << 30, lower, 2, second);
  line[1] = stop(VA ^ UINT64_C(1) << 20, PAGE_SHIFT, LEAF, 1);
  line[2] = stop(VA ^ UINT64_C(1) << 21, PAGE_SHIFT, LEAF, 1);
  line[3] = none;
  check(look(VA), 0);
  first[in_first] = two;
  line[2] = line[3] = leaf;
  check(look(VA), 0);
  line[1] = leaf;
  check(look(VA), pte);
  // A slot of a table is no line, even if leaves that agree are behind it; nor is a shared root.
  first[in_first] = other_leaf;
  first[(in_first + 1) & 3] = leaf;
  check(look(VA), 0);
  first[in_first] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 5);
  third[2] = other_leaf;
  third[3] = leaf;
  check(look(VA), 0);
  first[in_first] = stop(VA, lower, SHARED, (uintptr_t)&third[2] | 3);
  third[2] = leaf;
  check(look(VA), 0);
  // What comes to a slot of the top and is not for it; and Moved there, which leads to the root.
  first[in_first] = leaf;
  check(look_from(at_hand(first, upper, 2), VA ^ UINT64_C(1) << (upper + 2)), 0);
  first[in_first ^ 1] = none;
  check(look_from(at_hand(first, upper, 2), VA ^ UINT64_C(1) << upper), 0);
  // A leaf of many pages; all of an array.
  root = stop(VA, PAGE_SHIFT + 8, LEAF, pte);
  check(look(VA ^ UINT64_C(0xff) << PAGE_SHIFT), pte);
  check(look(VA ^ UINT64_C(0x100) << PAGE_SHIFT), 0);
  root = pages;
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

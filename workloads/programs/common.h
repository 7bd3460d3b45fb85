// What the programs share: their arguments, random numbers, the checksum, and how they end.
//
// Results depend on the arguments alone, neither on the machine nor on where memory lies: numbers
// have 64 bits everywhere, and sizes count what an element takes on a 64-bit machine.
#ifndef PROGRAMS_COMMON_H_
#define PROGRAMS_COMMON_H_

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* program;

static inline void fail(const char* what) {
  fprintf(stderr, "%s: %s%s%s\n", program, what, errno != 0 ? ": " : "",
          errno != 0 ? strerror(errno) : "");
  exit(1);
}

// A whole number with K, M or G behind it, of 1024.
static inline uint64_t number(const char* text) {
  char* end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  const char* const units = "KMG";
  const char* const unit = *end != 0 ? strchr(units, *end) : NULL;
  const unsigned shift = unit != NULL ? 10 * (unsigned)(unit - units + 1) : 0;
  end += unit != NULL;
  if (end == text || *end != 0 || text[0] == '-' || errno != 0 || value > UINT64_MAX >> shift) {
    errno = 0;
    fprintf(stderr, "%s: '%s' is no number (K, M and G are of 1024)\n", program, text);
    exit(2);
  }
  return value << shift;
}

struct arguments {
  uint64_t size;  // bytes of data
  uint64_t work;  // how often the program does what it does
  uint64_t seed;
};

// SIZE, WORK and SEED, where given; `size` and `work` are what they are else.
static inline struct arguments arguments(int argc, char** argv, uint64_t size, uint64_t work) {
  program = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
  if (argc > 4) {
    fprintf(stderr, "usage: %s [SIZE [WORK [SEED]]]\n", program);
    exit(2);
  }
  return (struct arguments){.size = argc > 1 ? number(argv[1]) : size,
                            .work = argc > 2 ? number(argv[2]) : work,
                            .seed = argc > 3 ? number(argv[3]) : 1};
}

// At least `least` elements of so many bytes in `size`; as many as a 32-bit number counts.
static inline uint32_t elements(uint64_t size, uint64_t bytes, uint32_t least) {
  const uint64_t count = size / bytes;
  if (count > UINT32_MAX / 2) fail("SIZE is too large");
  return count < least ? least : (uint32_t)count;
}

static inline void* allocate(uint64_t bytes) {
  void* const memory = bytes <= SIZE_MAX ? malloc((size_t)bytes) : NULL;
  if (memory == NULL) fail("no memory");
  return memory;
}

// Splitmix64: the next of a sequence that a seed begins.
static inline uint64_t mixed(uint64_t x) {
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}
static inline uint64_t random64(uint64_t* state) {
  return mixed(*state += UINT64_C(0x9e3779b97f4a7c15));
}
// Below `end`, without a division: `end` is at most 2^32.
static inline uint32_t below(uint64_t* state, uint64_t end) {
  return (uint32_t)((random64(state) >> 32) * end >> 32);
}

static inline uint64_t added(uint64_t checksum, uint64_t value) {
  return mixed(checksum ^ value) + value;
}

static inline int done(uint64_t checksum) {
  printf("checksum %016" PRIx64 "\n", checksum);
  return fflush(stdout) == 0 ? 0 : 1;
}

#endif  // PROGRAMS_COMMON_H_

// Allocator that lives on mmap: WORK times it maps, grows, shrinks, protects, empties or unmaps one
// of kSlots areas, which together hold about SIZE bytes, and touches some of it.
#define _GNU_SOURCE  // mremap
#include <sys/mman.h>

#include "common.h"

// Large enough for every machine's page, so that all have the same areas.
enum { kSlots = 64, kUnit = 64 << 10, kStride = 4096 };

struct area {
  unsigned char* start;
  uint32_t units;  // 0: there is none
};

static void* mapped(void* result) {
  if (result == MAP_FAILED) fail("mmap");
  return result;
}
static size_t bytes_of(uint32_t units) {
  return (size_t)units * kUnit;
}

// Writes a byte per stride; returns the sum of what was there.
static uint64_t touch(struct area* area) {
  uint64_t sum = 0;
  for (size_t at = 0; at < bytes_of(area->units); at += kStride)
    sum += ++area->start[at];
  return sum;
}

// As much as there is in `area` afterwards; the rest of the old is gone, and what is new is zero.
static void resize(struct area* area, uint32_t units) {
  area->start = mapped(mremap(area->start, bytes_of(area->units), bytes_of(units), MREMAP_MAYMOVE));
  area->units = units;
}

int main(int argc, char** argv) {
  struct arguments a = arguments(argc, argv, 8 << 20, 1000);
  const uint32_t most = elements(a.size, (uint64_t)kSlots * kUnit / 2, 1);  // half of it on average
  static struct area areas[kSlots];
  uint64_t checksum = 0;
  for (uint64_t i = 0; i < a.work; ++i) {
    struct area* const area = &areas[below(&a.seed, kSlots)];
    const uint32_t units = below(&a.seed, most) + 1;
    const uint32_t what = below(&a.seed, 8);
    if (area->units == 0) {
      area->start = mapped(
          mmap(NULL, bytes_of(units), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      area->units = units;
    } else if (what < 3) {
      if (munmap(area->start, bytes_of(area->units)) != 0) fail("munmap");
      area->units = 0;
    } else if (what < 5) {
      resize(area, units);
    } else if (what == 5) {
      if (madvise(area->start, bytes_of(area->units), MADV_DONTNEED) != 0) fail("madvise");
    } else if (what == 6) {
      if (mprotect(area->start, bytes_of(area->units), PROT_READ) != 0) fail("mprotect");
      checksum = added(checksum, area->start[0]);
      if (mprotect(area->start, bytes_of(area->units), PROT_READ | PROT_WRITE) != 0)
        fail("mprotect");
    }
    checksum = added(checksum, touch(area));
  }
  return done(checksum);
}
